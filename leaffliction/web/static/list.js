/** The list of all rows and plants: its order, and which rows are shown. */

import { countFilters, passes, sureness } from "./photographs.js";
import { createPlantCard, nameOf, plantAnswer } from "./plant_card.js";
import { createRow } from "./row.js";

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
    /** Whether the least sure ones come first. */
    this.leastSure = false;
  }

  /** Add photographs at the end. */
  add(photographs) {
    this.photographs.push(...photographs);
    this.root.append(...photographs.map((photograph) => {
      const row = createRow(photograph, this.page);
      this.#rows.set(photograph, row);
      row.element.hidden = !passes(photograph, this.filter);
      return row.element;
    }));
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
    row?.render();
    if (row) {
      row.element.hidden = !passes(photograph, this.filter);
      this.#cards.get(photograph.plant)?.render();
    }
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
    this.#lastPlant += 1;
    const plant = { id: this.#lastPlant, name };
    for (const photograph of photographs) {
      photograph.plant = plant;
    }
    const card = createPlantCard(plant, this.page);
    this.#cards.set(plant, card);
    this.arrange();
    return card.element;
  }

  /** Gather the photographs of each folder into a plant. */
  groupByFolder() {
    const folders = new Set(this.photographs.map(({ folder }) => folder));
    folders.delete("");
    for (const folder of folders) {
      this.group(this.photographs.filter((item) => item.folder === folder),
                 folder);
    }
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

  /** Put all rows and plants in the chosen order; keep the focus. */
  arrange() {
    const focused = document.activeElement;
    this.#renderCards();
    const entries = [...this.#cards].map(([plant, { element: node }]) => ({
      node, photographs: this.photographsOf(plant) }));
    for (const photograph of this.photographs) {
      if (!photograph.plant) {
        entries.push({ node: this.elementOf(photograph),
                       photographs: [photograph] });
      }
    }
    this.#sort(entries);
    this.root.replaceChildren(...entries.map(({ node }) => node));
    for (const [plant, { rows }] of this.#cards) {
      rows.replaceChildren(...this.photographsOf(plant).map(
        (photograph) => this.elementOf(photograph)));
    }
    this.showFiltered(this.filter);
    focused?.focus?.({ preventScroll: true });
  }

  /** Show only the photographs that pass a filter, and their plants. */
  showFiltered(filter) {
    this.filter = countFilters(this.photographs).has(filter) ? filter : "all";
    for (const [photograph, row] of this.#rows) {
      row.element.hidden = !passes(photograph, this.filter);
    }
    for (const [plant, card] of this.#cards) {
      card.element.hidden = !this.photographsOf(plant).some(
        (photograph) => passes(photograph, this.filter));
    }
  }

  /** Return the photographs as the page shows them, with their plants. */
  inOrder() {
    const byElement = new Map([...this.#rows].map(
      ([photograph, row]) => [row.element, photograph]));
    return [...this.root.querySelectorAll(".row")].map((node) => {
      const photograph = byElement.get(node);
      const { plant } = photograph;
      return { photograph,
               plant: plant ? nameOf(plant, this.page.language) : undefined };
    });
  }

  #sort(entries) {
    const place = ({ photographs: [first] }) => first.id;
    const keyOf = ({ photographs: [first, ...others] }) => sureness(
      others.length ? plantAnswer([first, ...others]) : first.answer);
    const key = this.leastSure ? keyOf : place;
    const keys = new Map(entries.map((entry) => [entry, key(entry)]));
    entries.sort((one, other) => keys.get(one) - keys.get(other)
                 || place(one) - place(other));
  }

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
