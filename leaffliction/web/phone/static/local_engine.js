/**
 * The engine that needs no program on a computer: the network runs in the
 * browser, and no photograph leaves the device.
 *
 * It offers what the engine of ../engine.js does, and a history.
 */

import { EngineError } from "../engine.js";
import { Corrections } from "./corrections.js";
import { predictionsCsv } from "./csv.js";
import { History } from "./history.js";
import { keepOffline } from "./offline.js";
import { Store } from "./store.js";

/**
 * Return the engine.  Its methods reject with an EngineError.
 *
 * @returns {object}
 */
export function createEngine() {
  const store = new Store();
  const predict = createPredictor();
  let corrections = null;     // from models() on

  const engine = {
    can: { corrections: false, phone: false, report: false },
    place: "device",
    views: ["photograph", "leaf", "lesions", "class_map"],
    parallel: 1,
    languages: [],
    history: new History(store),

    async models() {
      const model = await getJson("model/model.json");
      engine.languages = model.languages;
      // Without https: the browser gives no checksums.
      engine.can.corrections = isSecureContext;
      corrections = new Corrections(store, model);
      return [{ name: model.name, classes: model.class_names }];
    },

    async predict(file, name, model) {
      return { model, name, ...await predict(file) };
    },

    async correct(file, name, model, className) {
      const id = await corrections.add(file, name, className,
                                       await predict(file));
      if (id === null) {
        throw new EngineError("correction");
      }
      return { id, state: await corrections.state() };
    },

    async undo(id) {
      await corrections.remove([id]);
      return { state: await corrections.state() };
    },

    corrections: () => corrections.state(),
    /** @returns {Promise<Blob>} all corrections, to learn from elsewhere */
    saveCorrections: () => corrections.zip(),
    /** @returns {Promise<import("../engine.js").CorrectionState>} */
    async deleteCorrections() {
      await corrections.remove();
      return await corrections.state();
    },
    csv: async (rows) => predictionsCsv(rows),
    texts: (code) => getJson(`texts/${code}.json`),
  };
  return engine;
}

/** Return a function that asks the worker about a file. */
function createPredictor() {
  const asked = new Map();    // id → {resolve, reject}
  let lastId = 0;
  let started = null;         // a promise of the worker

  async function start() {
    await keepOffline();
    const worker = new Worker(new URL("worker.js", import.meta.url),
                              { type: "module" });
    worker.addEventListener("message", ({ data }) => {
      const { id, answer, code, detail } = data;
      const { resolve, reject } = asked.get(id);
      asked.delete(id);
      if (code) {
        reject(new EngineError(code, detail));
      } else {
        resolve(answer);
      }
    });
    // It could not be loaded, and answers nobody; the next one may.
    worker.addEventListener("error", ({ message }) => {
      worker.terminate();
      started = null;
      asked.forEach(({ reject }) => reject(
        new EngineError("not_loaded", message ?? "")));
      asked.clear();
    });
    return worker;
  }

  started = start();
  return async (file) => {
    const worker = await (started ??= start());
    lastId += 1;
    const id = lastId;
    return await new Promise((resolve, reject) => {
      asked.set(id, { resolve, reject });
      worker.postMessage({ id, file });
    });
  };
}

async function getJson(path) {
  try {
    const response = await fetch(new URL(`../${path}`, import.meta.url));
    return await response.json();
  } catch {
    throw new EngineError("offline");
  }
}
