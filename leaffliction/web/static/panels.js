/** The panels of the page: the corrections so far, and the phone. */

import { bar, byId, element } from "./dom.js";

/**
 * Open a panel of index.html.
 *
 * @param {string} id - of its dialog.
 */
export function openPanel(id) {
  byId(id).showModal();
}

/** Let the close buttons of all panels work, and clicks beside a panel. */
export function listenForClosing() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest(".close")) {
        dialog.close();
      }
    });
  }
}

/**
 * Write what has been corrected so far.
 *
 * @param {import("./engine.js").CorrectionState} state
 * @param {import("./languages.js").Language} language
 */
export function showCorrections(state, language) {
  const counts = Object.entries(state.counts)
    .sort((one, other) => other[1] - one[1]);
  const total = counts.reduce((sum, [, count]) => sum + count,
                              state.not_a_leaf);
  byId("corrections-count").textContent = total ? language.number(total) : "";
  byId("corrections-empty").hidden = total > 0;
  byId("corrections-some").hidden = total === 0;
  byId("corrections-kept").hidden = Boolean(state.folder);
  byId("corrections-folder").textContent = state.folder
    ? language.text("corrections_folder", { folder: state.folder })
    : language.text("corrections_device");
  byId("corrections-enough").textContent = language.text(
    "corrections_enough", { count: language.number(state.enough) });
  const rows = counts.map(([name, count]) => countRow(
    language.className(name), count, count / state.enough, language));
  if (state.not_a_leaf) {
    rows.push(countRow(language.text("not_a_leaf"), state.not_a_leaf, null,
                       language));
  }
  byId("corrections-counts").replaceChildren(...rows);
  byId("command").textContent = state.command;
}

function countRow(name, count, share, language) {
  return element(
    "tr", { "data-enough": share >= 1 && "true" },
    element("th", { scope: "row" }, name),
    element("td", { class: "number" }, language.number(count)),
    element("td", {}, share === null ? null : bar(Math.min(1, share)),
            share >= 1 ? ` ${language.text("enough")}` : null));
}

/**
 * Copy the command, or where the browser may not, select it.
 *
 * @param {import("./languages.js").Language} language
 */
export async function copyCommand(language) {
  const command = byId("command");
  try {
    await navigator.clipboard.writeText(command.textContent);
    byId("copied").textContent = language.text("copied");
  } catch {
    getSelection().selectAllChildren(command);
    byId("copied").textContent = language.text("copy_by_hand");
  }
}

/**
 * Show the address for a phone, or how to start the program for one, or why
 * neither is known.
 *
 * @param {object} engine - asked for the address.
 * @param {import("./languages.js").Language} language
 */
export async function showPhone(engine, language) {
  let problem = "";
  const { address, qr } = await engine.phone().catch((error) => {
    problem = language.text(`error_${error.code}`);
    return {};
  });
  byId("phone-problem").textContent = problem;
  byId("phone-ready").hidden = !address;
  byId("phone-not-ready").hidden = Boolean(address || problem);
  if (address) {
    // As an image: markup from outside never becomes part of the page.
    byId("phone-code").src = `data:image/svg+xml,${encodeURIComponent(qr)}`;
    byId("phone-address").textContent = address;
  }
}
