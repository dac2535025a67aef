/** What a person takes along: the CSV and the report. */

import { element } from "./dom.js";
import { dataUrl, shrink } from "./thumbnails.js";

/** Longer side of the pictures in the report, pixels. */
const REPORT_SIDE = 224;

/**
 * Return the rows of a CSV or report, in the order of the page.
 *
 * @param {import("./list.js").List} list
 * @param {boolean} withPictures
 * @returns {Promise<object[]>} of all photographs that have an answer or an
 *   error.
 */
export async function rowsOf(list, withPictures) {
  const rows = [];
  for (const { photograph, plant } of list.inOrder()) {
    const { name, state, answer, error, thumbnail } = photograph;
    if (state === "done") {
      const { known, classes, hints, lesions } = answer;
      rows.push({ name, plant, known, classes, hints, lesions, error: null,
                  thumbnail: withPictures && thumbnail ? await dataUrl(
                    await shrink(thumbnail, REPORT_SIDE)) : undefined });
    } else if (state === "error") {
      rows.push({ name, plant, known: false, classes: [], hints: [],
                  lesions: null, error: error.detail || error.code });
    }
  }
  return rows;
}

/**
 * Save a file, as the browser saves downloads.
 *
 * @param {Blob} blob
 * @param {string} name - of the file.
 */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The download has begun by then, and keeps the content.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
