/** Which engine the page asks: the folder for a phone has another file here. */

export { createServerEngine as createEngine } from "./engine.js";
