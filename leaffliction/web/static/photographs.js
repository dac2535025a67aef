/**
 * The photographs of the page, in which order they stand, and which to show.
 *
 * @typedef {object} Photograph
 * @property {number} id
 * @property {File} file
 * @property {string} folder - as it was dropped, "" for a single file.
 * @property {string} name - the file's name, with its folder.
 * @property {"waiting"|"asking"|"done"|"error"} state
 * @property {number} ticket - counts the questions that were asked about it.
 * @property {?import("./engine.js").Answer} answer - without its views.
 * @property {?import("./engine.js").EngineError} error
 * @property {?Blob} thumbnail - JPEG, the longer side at most THUMBNAIL.
 * @property {string} view - the view that its row shows.
 * @property {?string} url - the address of the picture that its row shows.
 * @property {?HTMLImageElement} image - which shows it.
 * @property {?{id: string, className: string}} correction
 * @property {?Plant} plant
 * @property {boolean} selected
 *
 * @typedef {object} Plant
 * @property {number} id
 * @property {string} name - of its folder, or "".
 */

/** Least probability of a sure answer; as SURE of
 * leaffliction/model/classifier.py. */
const SURE = 0.9;

let lastId = 0;

/**
 * Return a photograph that nobody has been asked about yet.
 *
 * @param {File} file
 * @param {string} folder
 * @returns {Photograph}
 */
export function createPhotograph(file, folder) {
  lastId += 1;
  return {
    id: lastId, file, folder,
    name: folder ? `${folder}/${file.name}` : file.name,
    state: "waiting", ticket: 0, answer: null, error: null,
    thumbnail: null, view: "photograph", url: null, image: null,
    correction: null, plant: null, selected: false,
  };
}

/**
 * Return how sure an answer is, to sort by.
 *
 * @param {?{known: boolean, classes: {probability: number}[]}} answer
 * @returns {number} the probability of a known leaf, 0..1; -1..0 for one that
 *   is not known; -2 for none.
 */
export function sureness(answer) {
  if (!answer) {
    return -2;
  }
  const { probability } = answer.classes[0];
  return answer.known ? probability : probability - 1;
}

/** Return whether an answer is sure enough not to be looked at again. */
export function isSure(answer) {
  return sureness(answer) >= SURE;
}

/** Return whether a person should look at a photograph again. */
function isDoubtful({ state, answer }) {
  return state === "error"
    || (state === "done" && !isSure(answer));
}

/**
 * Count photographs for each filter that some photograph passes.
 *
 * @param {Photograph[]} photographs
 * @returns {Map<string, number>} by filter: "all", "doubtful", "unknown",
 *   "error", and "class:NAME", the most frequent class first.
 */
export function countFilters(photographs) {
  const counts = new Map([["all", photographs.length]]);
  const classes = new Map();
  const add = (map, key) => map.set(key, (map.get(key) ?? 0) + 1);
  for (const photograph of photographs) {
    if (isDoubtful(photograph)) {
      add(counts, "doubtful");
    }
    for (const key of filtersOf(photograph)) {
      add(key.startsWith("class:") ? classes : counts, key);
    }
  }
  const frequent = [...classes].sort((one, other) => other[1] - one[1]);
  return new Map([...counts, ...frequent]);
}

/** Return whether a photograph passes a filter of countFilters. */
export function passes(photograph, filter) {
  return filter === "all"
    || (filter === "doubtful" && isDoubtful(photograph))
    || filtersOf(photograph).includes(filter);
}

function filtersOf({ state, answer }) {
  if (state === "error") {
    return ["error"];
  }
  if (state !== "done") {
    return [];
  }
  return [answer.known ? `class:${answer.classes[0].name}` : "unknown"];
}
