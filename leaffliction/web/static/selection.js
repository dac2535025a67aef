/** The bar at the bottom: what to do with the selected photographs. */

import { byId } from "./dom.js";

/**
 * Show the bar while photographs are selected.
 *
 * @param {import("./list.js").List} list
 * @param {import("./languages.js").Language} language
 */
export function showSelection(list, language) {
  const { length } = selected(list);
  byId("selection").hidden = !length;
  byId("selected-count").textContent = language.count("selected", length);
  byId("group").disabled = length < 2;
}

/**
 * Let the buttons of the bar work.
 *
 * @param {import("./list.js").List} list
 * @param {object} page - remove(photographs), refresh(), language.
 */
export function listenForSelection(list, page) {
  const clear = () => {
    for (const photograph of selected(list)) {
      photograph.selected = false;
      list.elementOf(photograph).querySelector(".select input")
        .checked = false;
    }
    page.refresh();
  };
  byId("group").addEventListener("click", () => {
    const photographs = selected(list);
    clear();
    const card = list.group(photographs);
    card.scrollIntoView({ block: "start" });
    card.querySelector("button").focus({ preventScroll: true });
  });
  byId("remove-selected").addEventListener(
    "click", () => page.remove(selected(list)));
  byId("select-none").addEventListener("click", clear);
}

function selected(list) {
  return list.photographs.filter((photograph) => photograph.selected);
}
