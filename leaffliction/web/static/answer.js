/** What an answer says, as elements: of a photograph, or of a plant. */

import { bar, element, icon } from "./dom.js";
import { isSure } from "./photographs.js";

const SHOWN = 3;    // classes with their probability

/**
 * Return the class in words with its probability, and the next two.
 *
 * @param {{known: boolean, classes: {name: string, probability: number}[]}}
 *   answer
 * @param {import("./languages.js").Language} language
 * @returns {HTMLElement[]}
 */
export function verdict(answer, language) {
  const [first, ...others] = answer.classes.slice(0, SHOWN);
  const name = language.className(first.name);
  const percent = element("span", { class: "percent" },
                          language.percent(first.probability));
  if (!answer.known) {
    return [element("p", { class: "verdict" }, icon("stranger"),
                    element("strong", {}, language.text("unknown"))),
            ...withBars("nearest", [first, ...others], language)];
  }
  return [element("p", { class: "verdict" }, icon("leaf"),
                  element("strong", {}, name), " ", percent),
          bar(first.probability),
          ...(isSure(answer) ? inOneLine(others, language)
            : withBars("then", others, language))];
}

/** The classes with bars, to compare them. */
function withBars(key, classes, language) {
  return [
    element("p", { class: "then" }, language.text(key)),
    element("ul", { class: "others" }, ...classes.map((row) => element(
      "li", {},
      element("span", {}, language.className(row.name)),
      bar(row.probability),
      element("span", { class: "percent" },
              language.percent(row.probability))))),
  ];
}

function inOneLine(classes, language) {
  const words = classes.map((row) => `${language.className(row.name)}\u00a0${
    language.percent(row.probability)}`);
  return words.length ? [element("p", { class: "then" },
                                 language.text("then"), " ",
                                 words.join(", "))] : [];
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
