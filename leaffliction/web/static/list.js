/** The list of all rows and plants: its order, and which rows it shows. */

import { countFilters, passes, sureness } from "./photographs.js";
import { createPlantCard, nameOf, plantAnswer } from "./plant_card.js";
import { createRow } from "./row.js";

/**
 * Rows that do not pass the filter are not in the document: hiding 2,000 of
 * them there takes Chromium 20 s, as they have content-visibility.
 */
export class List {
  #rows = new Map();      // photograph → row
  #cards = new Map();     // plant → card
  #lastPlant = 0;

  /**
   * @param {HTMLOListElement} root
   * @param {object} page - see createRow and createPlantCard.
   */
  constructor(root, page) {
    this.root = root;
    this.page = page;
    /** All photographs, in the order in which they came. */
    this.photographs = [];
    this.filter = "all";
    /** "arrival", "newest" (first), or "least-sure" (first). */
    this.order = "arrival";
    /** Whether a row has begun or ceased to pass the filter. */
    this.isStale = false;
  }

  /** Add photographs as the newest. */
  add(photographs) {
    this.photographs.push(...photographs);
    const rows = photographs.map((photograph) => {
      const row = createRow(photograph, this.page);
      this.#rows.set(photograph, row);
      return row.element;
    });
    if (this.filter === "all" && this.order === "newest") {
      this.root.prepend(...rows.reverse());
    } else if (this.filter === "all") {
      this.root.append(...rows);
    }
  }

  /** Remove photographs; a plant without any goes, too. */
  remove(photographs) {
    const gone = new Set(photographs);
    this.photographs = this.photographs.filter((item) => !gone.has(item));
    for (const photograph of photographs) {
      URL.revokeObjectURL(photograph.url);
      this.#rows.get(photograph).element.remove();
      this.#rows.delete(photograph);
    }
    this.#renderCards();
  }

  /** Write a photograph's row anew, and the card of its plant. */
  render(photograph) {
    const row = this.#rows.get(photograph);
    if (!row) {
      return;
    }
    row.render();
    this.#cards.get(photograph.plant)?.render();
    this.isStale ||= row.element.isConnected
      !== passes(photograph, this.filter);
  }

  /** Write everything anew, in another language. */
  renderAll() {
    this.#rows.forEach((row) => row.render());
    this.#cards.forEach((card) => card.render());
  }

  /**
   * Gather photographs into a plant, and return the element of it.
   *
   * @param {Photograph[]} photographs - of any plants, or none.
   * @param {string} name - "" for a number.
   * @returns {HTMLLIElement}
   */
  group(photographs, name = "") {
    const card = this.#group(photographs, name);
    this.arrange();
    return card.element;
  }

  /** Gather the photographs of each folder into a plant. */
  groupByFolder() {
    const folders = groupBy(this.photographs, ({ folder }) => folder);
    folders.delete("");
    folders.forEach((photographs, folder) => this.#group(photographs, folder));
    this.arrange();
  }

  /** Make single photographs of a plant again. */
  ungroup(plant) {
    for (const photograph of this.photographsOf(plant)) {
      photograph.plant = null;
    }
    this.arrange();
  }

  photographsOf(plant) {
    return this.photographs.filter((item) => item.plant === plant);
  }

  /** The row's element of a photograph. */
  elementOf(photograph) {
    return this.#rows.get(photograph).element;
  }

  /** Show the rows that pass the filter, in the chosen order. */
  arrange() {
    const focused = document.activeElement;
    this.isStale = false;
    this.#renderCards();
    const shown = [];
    for (const { plant, photographs } of this.#entries()) {
      const rows = photographs
        .filter((photograph) => passes(photograph, this.filter))
        .map((photograph) => this.elementOf(photograph));
      if (plant && rows.length) {
        const card = this.#cards.get(plant);
        card.rows.replaceChildren(...rows);
        shown.push(card.element);
      } else {
        shown.push(...rows);
      }
    }
    this.root.replaceChildren(...shown);
    focused.focus({ preventScroll: true });
  }

  /** Show only the photographs that pass a filter, and their plants. */
  showFiltered(filter) {
    this.filter = countFilters(this.photographs).has(filter) ? filter : "all";
    this.arrange();
  }

  /** Return all photographs in the chosen order, with their plants' names. */
  inOrder() {
    return this.#entries().flatMap(({ plant, photographs }) =>
      photographs.map((photograph) => ({
        photograph,
        plant: plant ? nameOf(plant, this.page.language) : undefined })));
  }

  #group(photographs, name) {
    this.#lastPlant += 1;
    const plant = { id: this.#lastPlant, name };
    for (const photograph of photographs) {
      photograph.plant = plant;
    }
    const card = createPlantCard(plant, this.page);
    this.#cards.set(plant, card);
    return card;
  }

  /** Plants and single photographs, in the chosen order. */
  #entries() {
    const entries = [...groupBy(
      this.photographs, (photograph) => photograph.plant ?? photograph)]
      .map(([plant, photographs]) => ({
        plant: this.#cards.has(plant) ? plant : null, photographs }));
    if (this.order === "newest") {
      entries.reverse();
    } else if (this.order === "least-sure") {
      const keys = new Map(entries.map((entry) => [entry, sureness(
        entry.plant ? plantAnswer(entry.photographs)
          : entry.photographs[0].answer)]));
      entries.sort((one, other) => keys.get(one) - keys.get(other));
    }
    return entries;
  }

  /** Write the plants' cards; plants without photographs go. */
  #renderCards() {
    for (const [plant, card] of this.#cards) {
      if (this.photographsOf(plant).length) {
        card.render();
      } else {
        card.element.remove();
        this.#cards.delete(plant);
      }
    }
  }
}

/** Return the items by their keys, both in the order of first appearance. */
function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!groups.has(key)) {
      groups.set(key, []);
    }
    groups.get(key).push(item);
  }
  return groups;
}
