/**
 * Loads LiteRT's WebAssembly; in place of @litertjs/wasm-utils, which needs a
 * page's <script> and so does not run in a worker of modules.
 */

import { ModuleFactory } from "../litert/litert_wasm.js";

/**
 * @param {function} Library - LiteRT.js's class, made from a module.
 * @returns {Promise<object>} the library.
 */
export async function createWasmLib(Library) {
  const response = await fetch(
    new URL("../litert/litert.wasm.packed", import.meta.url));
  if (!response.ok) {
    throw new Error(`WebAssembly: ${response.status}`);
  }
  const silence = () => {};     // It logs each step of its start.
  return new Library(await ModuleFactory({
    wasmBinary: await unpack(await response.arrayBuffer()),
    print: silence, printErr: silence }));
}

/** Few static servers compress WebAssembly, so that the file is a gzip. */
async function unpack(content) {
  const stream = new Blob([content]).stream().pipeThrough(
    new DecompressionStream("gzip"));
  return await new Response(stream).arrayBuffer();
}
