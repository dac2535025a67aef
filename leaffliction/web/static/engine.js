/**
 * The engine: what answers the page's questions.
 *
 * This one asks the program on the computer (predict.py --web), and no other
 * module of the page asks for anything.  Another engine offers the same
 * methods and `can`.
 *
 * @typedef {object} Answer
 * @property {string} model
 * @property {boolean} known - whether the photograph is like those learned.
 * @property {{name: string, probability: number}[]} classes - all, the most
 *   probable first; calibrated, sum 1.
 * @property {{code: string, values: Object<string, number|string>}[]} hints
 * @property {?{leaves: number, share: number, spots: number}} lesions - share
 *   0..1 of the leaves; null where no leaf was found.
 * @property {Object<string, Blob>} views - photograph, leaf, lesions and
 *   class_map; leaf and lesions are missing where no leaf was found.
 *
 * @typedef {object} CorrectionState
 * @property {?string} folder - null where the engine keeps them by itself,
 *   and has saveCorrections() and deleteCorrections().
 * @property {Object<string, number>} counts - photographs of each class.
 * @property {number} not_a_leaf
 * @property {number} enough - photographs of a class from which on learning
 *   from them pays.
 * @property {string} command - the command that learns from them.
 */

/** Why the engine has no answer. */
export class EngineError extends Error {
  /**
   * @param {string} code - unreadable, too_large, busy, slow, forbidden,
   *   model, correction, request; offline where the program does not answer;
   *   gone where the browser can no longer read the file; not_loaded where
   *   the network in the browser is not there.
   * @param {string} detail - one sentence in English, or "".
   * @param {number} retryAfter - seconds, for busy.
   */
  constructor(code, detail = "", retryAfter = 1) {
    super(detail || code);
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}

/**
 * Return the engine that asks the program on the computer.
 *
 * Its methods reject with an EngineError.  All addresses are relative, as the
 * page of a phone has a longer one.
 *
 * @returns {object}
 */
export function createServerEngine() {
  let maxBytes = Infinity;
  const engine = {
    /** What this engine can do; models() fills it in. */
    can: { corrections: false, phone: false, report: true },
    /** What keeps the photographs for the next time, or null. */
    history: null,
    /** Where photographs go: "computer" (this one) or "network". */
    place: "computer",
    /** The views of an answer, in the order of their buttons. */
    views: ["photograph", "leaf", "lesions", "class_map"],
    /** How many photographs it predicts at once. */
    parallel: 1,
    /** The languages that there are: {code, name in the language}[]. */
    languages: [],

    /**
     * @returns {Promise<{name: string, classes: string[]}[]>} the default
     *   first
     */
    async models() {
      const reply = await getJson("api/models");
      maxBytes = reply.max_bytes;
      engine.parallel = reply.parallel;
      engine.languages = reply.languages;
      engine.can = { corrections: reply.corrections, phone: reply.local,
                     report: true };
      engine.place = reply.local ? "computer" : "network";
      return reply.models;
    },

    /**
     * @param {File} file
     * @param {string} name - with its folder.
     * @param {string} model
     * @returns {Promise<Answer>}
     */
    async predict(file, name, model) {
      const answer = await postFile("api/predict", file, maxBytes,
                                    { model, name });
      const views = Object.entries(answer.views);
      answer.views = Object.fromEntries(
        views.map(([view, url]) => [view, blobOf(url)]));
      return answer;
    },

    /**
     * Keep a photograph to learn from.
     *
     * @param {File} file
     * @param {string} name
     * @param {string} model
     * @param {string} className - any, or "not_a_leaf".
     * @returns {Promise<{id: string, state: CorrectionState}>}
     */
    correct: (file, name, model, className) =>
      postFile("api/corrections", file, maxBytes,
               { model, name, class: className }),

    /** @returns {Promise<{state: CorrectionState}>} */
    undo: (id) => getJson(
      `api/corrections/undo?${new URLSearchParams({ id })}`,
      { method: "POST" }),

    /** @returns {Promise<CorrectionState>} */
    corrections: () => getJson("api/corrections"),

    /** @returns {Promise<Blob>} the report, an HTML file */
    report: (rows, model, lang) =>
      postRows(`api/report?${new URLSearchParams({ lang, model })}`, rows),

    /** @returns {Promise<Blob>} the CSV file */
    csv: (rows, model) =>
      postRows(`api/csv?${new URLSearchParams({ model })}`, rows),

    /** @returns {Promise<{address: ?string, qr: string}>} qr: an SVG */
    phone: () => getJson("api/phone"),

    /** @returns {Promise<object>} the texts of a language */
    texts: (code) => getJson(`texts/${code}.json`),
  };
  return engine;
}

async function postFile(path, file, maxBytes, values) {
  if (file.size > maxBytes) {
    throw new EngineError("too_large");
  }
  try {
    return await getJson(`${path}?${new URLSearchParams(values)}`, {
      method: "POST", body: file,
      headers: { "Content-Type": "application/octet-stream" } });
  } catch (error) {
    // A file that was moved or changed fails as the network does.
    if (error.code === "offline") {
      await file.slice(0, 1).arrayBuffer().catch(() => {
        throw new EngineError("gone");
      });
    }
    throw error;
  }
}

async function postRows(path, rows) {
  const reply = await request(path, {
    method: "POST", body: JSON.stringify({ rows }),
    headers: { "Content-Type": "application/json" } });
  return await readBody(reply.blob());
}

async function getJson(path, options = {}) {
  return await readBody((await request(path, options)).json());
}

async function request(path, options) {
  let reply;
  try {
    reply = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new EngineError("offline");
  }
  if (!reply.ok) {
    const problem = await reply.json().catch(() => ({}));
    throw new EngineError(problem.code ?? "request", problem.error,
                          Number(reply.headers.get("Retry-After")) || 1);
  }
  return reply;
}

/** The program may end in the middle of a reply. */
async function readBody(body) {
  try {
    return await body;
  } catch {
    throw new EngineError("offline");
  }
}

/** Return the Blob of a data URL; fetch may not read one here. */
function blobOf(url) {
  const [head, data] = url.split(",");
  const letters = atob(data);
  const bytes = new Uint8Array(letters.length);
  for (let index = 0; index < letters.length; index += 1) {
    bytes[index] = letters.charCodeAt(index);
  }
  return new Blob([bytes], { type: head.slice("data:".length).split(";")[0] });
}
