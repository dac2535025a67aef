/**
 * The worker: predicts beside the page, which stays usable meanwhile.
 *
 * A message {id, file} is answered by {id, answer}, or by {id, code, detail}
 * of an EngineError.
 */

import { UnreadableError, loadPredictor } from "./predictor.js";

let predictor = load();

function load() {
  const loading = loadPredictor(new URL("../model/", import.meta.url));
  // The next photograph tries again.
  loading.catch(() => { predictor = null; });
  return loading;
}

addEventListener("message", async ({ data: { id, file } }) => {
  try {
    predictor ??= load();
    postMessage({ id, answer: await (await predictor)(file) });
  } catch (error) {
    const isUnreadable = error instanceof UnreadableError;
    postMessage({ id, code: isUnreadable ? "unreadable" : "not_loaded",
                  detail: isUnreadable ? "" : String(error) });
  }
});
