/** A row of the page: one photograph, and all that is said about it. */

import { about, hintList, lesionFacts, verdict } from "./answer.js";
import { correction } from "./correction.js";
import { element, icon } from "./dom.js";
import { picture } from "./picture.js";

/**
 * Return the row of a photograph.
 *
 * @param {Photograph} photograph
 * @param {object} page - language, engine, views, and what rows ask for:
 *   remove, again, select, correct, undo, classes.
 * @returns {{element: HTMLLIElement, render: function()}} render: write the
 *   row anew, after the photograph or the language has changed.
 */
export function createRow(photograph, page) {
  const item = element("li", { class: "row", id: `row-${photograph.id}` });
  const render = () => {
    const hadFocus = item.contains(document.activeElement);
    item.dataset.state = photograph.state;
    item.dataset.known = photograph.answer?.known ?? "";
    item.replaceChildren(element(
      "article", { "aria-labelledby": `name-${photograph.id}`,
                   "aria-busy": photograph.state === "asking" && "true" },
      header(photograph, page), picture(photograph, page),
      element("div", { class: "answer" }, ...content(photograph, page))));
    if (hadFocus) {
      item.querySelector("input").focus();
    }
  };
  render();
  return { element: item, render };
}

function header(photograph, page) {
  const { language } = page;
  const { name } = photograph;
  return element(
    "header", {},
    element("label", { class: "select" },
            element("input", {
              type: "checkbox", checked: photograph.selected,
              "aria-label": language.text("select", { name }),
              onchange: (event) => page.select(
                photograph, event.target.checked) })),
    element("h3", { id: `name-${photograph.id}`, title: name },
            photograph.folder && element("span", { class: "folder-name" },
                                         `${photograph.folder}/`),
            element("span", { class: "file-name" }, photograph.file.name)),
    element("button", {
      type: "button", class: "plain", title: language.text("remove"),
      "aria-label": language.text("remove_one", { name }),
      onclick: () => page.remove([photograph]) }, icon("close")));
}

function content(photograph, page) {
  const { language } = page;
  const { answer, error, state } = photograph;
  if (state === "error") {
    return [problem(photograph, error, page)];
  }
  if (state !== "done") {
    return [element("p", { class: "pending" }, language.text(state))];
  }
  const hints = hintList(answer.hints, language);
  // A hint comes before the diagnosis that it puts in doubt; where there is
  // none, it says what to try instead.
  return [
    answer.known && hints,
    ...verdict(answer, language),
    !answer.known && hints,
    lesionFacts(answer.lesions, language),
    page.engine.can.corrections ? correction(photograph, page) : null,
    about(answer.classes[0].name, language),
  ].filter(Boolean);
}

function problem(photograph, error, page) {
  const { language } = page;
  return element(
    "div", { class: "problem" }, icon("problem"),
    element("p", {}, language.text(`error_${error.code}`), " ",
            error.detail && element("small", { lang: "en" }, error.detail)),
    element("button", { type: "button",
                        onclick: () => page.again([photograph]) },
            language.text("again")));
}
