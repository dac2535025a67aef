/**
 * Photographs whose class a person has named: a zip to learn from.
 *
 * The zip holds the folder that the program on a computer writes, with the
 * same table: see leaffliction/web/corrections.py.
 */

import { classKey } from "../languages.js";
import { csv } from "./csv.js";
import { CORRECTIONS } from "./store.js";
import { zip } from "./zip.js";

const FOLDER = "corrections";
const NOT_A_LEAF = "not_a_leaf";
const COLUMNS = ["time", "said", "file", "name", "predicted", "confidence",
                 "known", "model", "model_sha256"];
const ENOUGH = 10;        // as ENOUGH of corrections.py
const MAX_NAME = 80;
const ID_DIGITS = 16;     // of the SHA-256 of a photograph

export class Corrections {
  #store;
  #model;

  /**
   * @param {import("./store.js").Store} store
   * @param {object} model - model.json.
   */
  constructor(store, model) {
    this.#store = store;
    this.#model = model;
  }

  /**
   * Keep a photograph under a class; an earlier correction is replaced.
   *
   * @param {File} file
   * @param {string} name
   * @param {string} className - any, or "not_a_leaf".
   * @param {import("../engine.js").Answer} answer - what was predicted.
   * @returns {Promise<?string>} its id, or null for a name that no class can
   *   have.
   */
  async add(file, name, className, answer) {
    const said = await this.#spelt(className);
    if (!isClassName(said)) {
      return null;
    }
    const content = await file.arrayBuffer();
    const id = hex(await crypto.subtle.digest("SHA-256", content))
      .slice(0, ID_DIGITS);
    const [{ name: predicted, probability }] = answer.classes;
    await this.#store.put(CORRECTIONS, {
      id, said, name, predicted, confidence: probability.toFixed(6),
      known: answer.known ? "yes" : "no", time: new Date().toISOString(),
      // A copy: the file may be gone when the zip is made.
      photograph: new Blob([content], { type: file.type }) });
    return id;
  }

  /** Delete corrections; without ids, all of them. */
  async remove(ids) {
    await this.#store.remove(CORRECTIONS, ids ?? (
      await this.#store.all(CORRECTIONS)).map(({ id }) => id));
  }

  /** @returns {Promise<import("../engine.js").CorrectionState>} */
  async state() {
    const counts = {};
    for (const { said } of await this.#store.all(CORRECTIONS)) {
      counts[said] = (counts[said] ?? 0) + 1;
    }
    const { [NOT_A_LEAF]: notALeaf = 0, ...classes } = counts;
    return { folder: null, counts: classes, not_a_leaf: notALeaf,
             enough: ENOUGH, command: `python train.py ${FOLDER} --weights ${
               this.#model.name} --output corrected.zip` };
  }

  /** @returns {Promise<Blob>} the folder, as a zip */
  async zip() {
    const corrections = await this.#store.all(CORRECTIONS);
    const path = ({ said, id, photograph }) => `${
      said === NOT_A_LEAF ? `.${NOT_A_LEAF}` : said}/${id}.${
      photograph.type === "image/png" ? "png" : "jpg"}`;
    const rows = corrections.map((row) => [
      row.time, row.said, path(row), row.name, row.predicted, row.confidence,
      row.known, this.#model.name, this.#model.checksum]);
    return await zip([
      ...corrections.map((row) => [`${FOLDER}/${path(row)}`,
                                   row.photograph]),
      [`${FOLDER}/corrections.csv`, csv(COLUMNS, rows)]]);
  }

  /** Return a class name as the model or an earlier correction spells it. */
  async #spelt(className) {
    const earlier = await this.#store.all(CORRECTIONS);
    const known = [NOT_A_LEAF, ...this.#model.class_names,
                   ...earlier.map(({ said }) => said)];
    const key = classKey(className);
    return known.find((name) => classKey(name) === key) ?? className;
  }
}

/** Return whether a name can be that of a folder, on any computer. */
function isClassName(name) {
  return Boolean(name) && name.length <= MAX_NAME && name === name.trim()
    && !name.startsWith(".") && !/[\/\\:*?"<>|\p{C}]/u.test(name);
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16)
    .padStart(2, "0")).join("");
}
