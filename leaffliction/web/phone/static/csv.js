/** Tables, as predict.py writes them. */

/* As PAGE_COLUMNS of leaffliction/web/take_along.py. */
const COLUMNS = ["file", "class", "confidence", "known", "error", "hints",
                 "plant"];

/**
 * Return what the page shows as CSV, as the server's page does.
 *
 * @param {object[]} rows - as of rowsOf in ../downloads.js.
 * @returns {Blob}
 */
export function predictionsCsv(rows) {
  return csv(COLUMNS, rows.map(rowOf));
}

function rowOf({ name, plant, classes, known, error, hints }) {
  if (error) {
    return [name, "", "", "", error, "", plant ?? ""];
  }
  return [name, classes[0].name, classes[0].probability.toFixed(6),
          known ? "yes" : "no", "",
          hints.map(({ code }) => code).join(" "), plant ?? ""];
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
