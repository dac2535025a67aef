/** Tables, as predict.py writes them. */

const COLUMNS = ["file", "class", "confidence", "known", "error", "hints"];

/**
 * Return what the page shows as the CSV of predict.py.
 *
 * @param {object[]} rows - as of rowsOf in ../downloads.js.
 * @returns {Blob}
 */
export function predictionsCsv(rows) {
  return csv(COLUMNS, rows.map(({ name, classes, known, error, hints }) => (
    error ? [name, "", "", "", error, ""]
      : [name, classes[0].name, classes[0].probability.toFixed(6),
         known ? "yes" : "no", "",
         hints.map(({ code }) => code).join(" ")])));
}

/** Return a header and rows of texts as a CSV file. */
export function csv(header, rows) {
  const lines = [header, ...rows].map((row) => row.map(field).join(","));
  return new Blob([`${lines.join("\n")}\n`], { type: "text/csv" });
}

/** A text that a spreadsheet would take for a formula gets an apostrophe. */
function field(text) {
  const safe = (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text)
    .replace(/\p{Cc}/gu, " ");
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
