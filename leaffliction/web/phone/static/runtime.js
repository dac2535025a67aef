/** The network, run by LiteRT.js in WebAssembly. */

import { Tensor, loadAndCompile, loadLiteRt } from "../litert/litert.js";

/**
 * Return a function that runs a network.
 *
 * LiteRT.js is loaded once; the networks share it.
 *
 * @param {Uint8Array} content - of the .tflite file.
 * @param {number} size - side of its input.
 * @returns {Promise<function(Float32Array):
 *   Promise<import("./classifier.js").Outputs>>} input: (size, size, 3).
 */
export async function loadNetwork(content, size) {
  await (loading ??= load());
  const model = await loadAndCompile(content, {
    accelerator: "wasm", cpuOptions: { numThreads: 1 } });
  const [{ name: inputName }] = model.getInputDetails();
  return async (values) => {
    const input = new Tensor(values, [1, size, size, 3]);
    const tensors = await model.run({ [inputName]: input });
    input.delete();
    // The names (Identity, Identity_1, ...) sort in the order of the outputs.
    const [logits, classMaps, ...features] = Object.keys(tensors).sort().map(
      (name) => {
        const copy = tensors[name].toTypedArray().slice();
        tensors[name].delete();
        return copy;
      });
    return { logits, class_maps: classMaps,
             features: Float32Array.from(features.flatMap(
               (part) => [...part])) };
  };
}

let loading = null;

/* What LiteRT.js takes for a graphics processor that gives it no device: no
   network here uses one, and to start it takes time and memory. */
const NO_GPU = { requestAdapter: async () => ({
  limits: {}, features: new Set(), requestDevice: async () => null }) };

/** The name is that of no file: wasm_library.js knows what to load. */
function load() {
  Object.defineProperty(navigator, "gpu", { value: NO_GPU,
                                            configurable: true });
  return loadLiteRt("litert_wasm.js").finally(() => { delete navigator.gpu; });
}
