/** The card of a plant, above the rows of its photographs. */

import { verdict } from "./answer.js";
import { element } from "./dom.js";
import { combineAnswers } from "./plants.js";

/**
 * Return the answer for a plant, from those of its photographs so far.
 *
 * @param {Photograph[]} photographs - of the plant.
 * @returns {?object} as combineAnswers, but with photographs for indices;
 *   null while none is answered.
 */
export function plantAnswer(photographs) {
  const answered = photographs.filter(({ state }) => state === "done");
  if (!answered.length) {
    return null;
  }
  const plant = combineAnswers(answered.map(({ answer }) => answer));
  const photographsAt = (indices) => indices.map((index) => answered[index]);
  return { known: plant.known, classes: plant.classes,
           agree: photographsAt(plant.agree),
           differ: photographsAt(plant.differ),
           withoutVote: photographsAt(plant.withoutVote) };
}

/**
 * Return the card of a plant.
 *
 * @param {Plant} plant
 * @param {object} page - language, and photographsOf(plant), ungroup(plant).
 * @returns {{element: HTMLLIElement, rows: HTMLOListElement,
 *            render: function()}} rows: the list for its photographs.
 */
export function createPlantCard(plant, page) {
  const rows = element("ol", { class: "rows" });
  const card = element("article", {
    class: "plant-card", "aria-labelledby": `plant-${plant.id}` });
  const item = element("li", { class: "plant" }, card, rows);
  const render = () => {
    const photographs = page.photographsOf(plant);
    const answer = plantAnswer(photographs);
    item.dataset.state = answer ? "done" : "waiting";
    rows.setAttribute("aria-label", nameOf(plant, page.language));
    card.replaceChildren(
      header(plant, photographs, page),
      ...(answer ? content(answer, page.language) : [element(
        "p", { class: "pending" }, page.language.text("waiting"))]));
  };
  return { element: item, rows, render };
}

/** Return the name of a plant: of its folder, or a number. */
export function nameOf(plant, language) {
  return plant.name || language.text("plant", { number: plant.id });
}

function header(plant, photographs, page) {
  const { language } = page;
  return element(
    "header", {},
    element("h3", { id: `plant-${plant.id}` }, nameOf(plant, language)),
    element("span", { class: "note" },
            language.count("photographs", photographs.length)),
    element("button", { type: "button", onclick: () => page.ungroup(plant) },
            language.text("ungroup")));
}

function content(answer, language) {
  const { agree, differ, withoutVote } = answer;
  const line = language.text("agree", {
    agree: language.number(agree.length),
    count: language.number(agree.length + differ.length) });
  return [
    ...verdict(answer, language),
    element("p", { class: "facts" }, line),
    ...links("differ", differ, language),
    ...links("without_vote", withoutVote, language),
  ];
}

/** Links to the rows of photographs, with the class of each. */
function links(key, photographs, language) {
  return photographs.length ? [
    element("p", { class: "then" }, language.text(key)),
    element("ul", { class: "differ" }, ...photographs.map(
      ({ id, name, answer }) => element(
        "li", {}, element("a", { href: `#row-${id}` }, name), " – ",
        language.className(answer.classes[0].name)))),
  ] : [];
}
