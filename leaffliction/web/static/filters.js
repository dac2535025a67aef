/** The filters above the list: which photographs to show. */

import { byId, element } from "./dom.js";
import { countFilters } from "./photographs.js";

/**
 * Write the filters anew, with how many photographs pass each.
 *
 * @param {import("./list.js").List} list
 * @param {import("./languages.js").Language} language
 */
export function showFilters(list, language) {
  const counts = countFilters(list.photographs);
  const root = byId("filters");
  const focused = root.contains(document.activeElement)
    ? document.activeElement.value : null;
  if (list.isStale || !counts.has(list.filter)) {
    list.showFiltered(list.filter);
  }
  root.parentElement.hidden = list.photographs.length < 2;
  root.replaceChildren(...[...counts].map(([filter, count]) => element(
    "label", {},
    element("input", {
      type: "radio", name: "filter", value: filter,
      checked: filter === list.filter,
      onchange: () => list.showFiltered(filter) }),
    element("span", {}, nameOf(filter, language), " ",
            element("b", {}, language.number(count))))));
  if (focused) {
    root.querySelector(":checked").focus();
  }
}

function nameOf(filter, language) {
  return filter.startsWith("class:")
    ? language.className(filter.slice("class:".length))
    : language.text(`filter_${filter}`);
}
