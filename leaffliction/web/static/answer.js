/** What an answer says, as elements: of a photograph, or of a plant. */

import { bar, element, icon } from "./dom.js";

const SHOWN = 3;    // classes with their probability

/**
 * Return the class in words with its probability, and the next two.
 *
 * @param {{known: boolean, classes: {name: string, probability: number}[]}}
 *   answer
 * @param {import("./languages.js").Language} language
 * @returns {HTMLElement[]}
 */
export function verdict({ known, classes }, language) {
  const [first, ...others] = classes.slice(0, SHOWN);
  const rows = (known ? others : [first, ...others]).map((row) => element(
    "li", {},
    element("span", { class: "class" }, language.className(row.name)),
    bar(row.probability),
    element("span", { class: "percent" },
            language.percent(row.probability))));
  const heading = known
    ? [icon("leaf"),
       element("strong", {}, language.className(first.name)), " ",
       element("span", { class: "percent" },
               language.percent(first.probability))]
    : [icon("stranger"), element("strong", {}, language.text("unknown"))];
  return [
    element("p", { class: "verdict" }, ...heading),
    known && bar(first.probability),
    rows.length > 0 && element("p", { class: "then" },
                               language.text(known ? "then" : "nearest")),
    rows.length > 0 && element("ul", { class: "others" }, ...rows),
  ].filter(Boolean);
}

/** Return the hints as a list of sentences, or null where there are none. */
export function hintList(hints, language) {
  return hints.length ? element(
    "ul", { class: "hints", "aria-label": language.text("hints") },
    ...hints.map((hint) => element("li", {}, icon("hint"),
                                   element("span", {},
                                           language.hint(hint))))) : null;
}

/** Return the lesions in words, or null where no leaf was found. */
export function lesionFacts(lesions, language) {
  if (!lesions) {
    return null;
  }
  return element("p", { class: "facts" }, lesionText(lesions, language));
}

/** Return the lesions in words: their share of the leaves, and the spots. */
export function lesionText({ leaves, share, spots }, language) {
  if (!spots) {
    return language.text("no_lesions");
  }
  return language.text(leaves > 1 ? "lesions_of_leaves" : "lesions_of_leaf", {
    share: language.percent(share), leaves: language.number(leaves),
    spots: language.count("spots", spots) });
}

/**
 * Return what the class is, to open, or null where there is no text.
 *
 * @param {string} className
 * @param {import("./languages.js").Language} language
 * @returns {?HTMLElement}
 */
export function about(className, language) {
  const text = language.about(className);
  if (!text) {
    return null;
  }
  const details = element("details", { class: "about" }, element(
    "summary", {}, language.text("about", { name: text.name })));
  details.addEventListener("toggle", () => {
    if (details.children.length === 1) {
      details.append(aboutParts(text, language));
    }
  });
  return details;
}

function aboutParts(text, language) {
  const parts = ["what", "signs", "mistaken", "next"].filter(
    (part) => text[part]);
  return element(
    "dl", {},
    ...parts.flatMap((part) => [
      element("dt", {}, language.text(`about_${part}`)),
      element("dd", {}, text[part])]),
    element("dt", {}, language.text("about_sources")),
    element("dd", { class: "sources" }, element(
      "ul", {}, ...text.sources.map((source) => element("li", {}, source)))));
}
