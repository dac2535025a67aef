/** The words of the page in one language, and how it writes numbers. */

/**
 * Return the key of a class in the texts: the same for all spellings of its
 * name ("Apple___Scab" and "apple scab" are apple_scab), as class_key of
 * leaffliction/utils/class_names.py.
 *
 * @param {string} name
 * @returns {string}
 */
export function classKey(name) {
  // Upper case first: that makes "ss" of "ß", as Python's casefold does.
  const letters = name.normalize("NFKC").toUpperCase().toLowerCase()
    .normalize("NFKC")
    .replace(/[^\p{L}\p{N}\p{M}+-]/gu, " ");
  const words = letters.match(/[^\s+-]+(?:[+-]+(?!\S))?/gu) ?? [];
  return words.join("_") || name.trim().toLowerCase();
}

/**
 * Return the language to begin with.
 *
 * @param {string[]} wanted - the most welcome first, as navigator.languages.
 * @param {string[]} available - codes as "en".
 * @returns {string} "en" where none of them is available.
 */
export function chooseLanguage(wanted, available) {
  const codes = wanted.map((tag) => tag.toLowerCase().split("-")[0]);
  return codes.find((code) => available.includes(code)) ?? "en";
}

const STORED = "language";   // its name in the browser's storage

/** Return the code that was chosen last in this browser, or "". */
export function rememberedLanguage() {
  try {
    return localStorage.getItem(STORED) ?? "";
  } catch {
    return "";      // This browser stores nothing.
  }
}

/** Remember a code for the next time, where the browser may. */
export function rememberLanguage(code) {
  try {
    localStorage.setItem(STORED, code);
  } catch {
    // It is chosen by the browser's languages again.
  }
}

export class Language {
  /**
   * @param {string} code - "en", "fr", ...
   * @param {object} texts - the content of texts/CODE.json.
   */
  constructor(code, texts) {
    this.code = code;
    this.texts = texts;
    this.plural = new Intl.PluralRules(code);
  }

  /**
   * Return a sentence of the page.
   *
   * @param {string} key
   * @param {Object<string, string|number>} values - for its {placeholders}.
   * @returns {string} the key itself where the sentence is missing.
   */
  text(key, values = {}) {
    return fill(this.texts.page[key] ?? key, values);
  }

  /** Return text(key_one) or text(key_other), with {count} filled in. */
  count(key, count) {
    const form = this.plural.select(count) === "one" ? "one" : "other";
    return this.text(`${key}_${form}`, { count: this.number(count) });
  }

  /** Return the name of a class in words. */
  className(name) {
    return this.about(name)?.name ?? name.replaceAll("_", " ");
  }

  /** Return {name, what, signs, mistaken, next, sources}, or undefined. */
  about(name) {
    return this.texts.classes[classKey(name)];
  }

  /**
   * Return a hint as a sentence.  The texts have it as predict.py's lines
   * need it: without a capital letter, and without a full stop.
   */
  hint({ code, values }) {
    const plants = values.plants?.split(", ").map(
      (plant) => this.texts.plants?.[plant] ?? plant).join(", ");
    const words = fill(this.texts.hints[code] ?? code, { ...values, plants });
    return `${words[0].toLocaleUpperCase(this.code)}${words.slice(1)}.`;
  }

  number(value) {
    return value.toLocaleString(this.code);
  }

  /**
   * Return a share, 0..1, in per cent.  No probability is written as 0 or
   * 100 %, which it never is.
   */
  percent(share) {
    const write = (value) => value.toLocaleString(
      this.code, { style: "percent" });
    if (share > 0.995) {
      return `> ${write(0.99)}`;
    }
    return share < 0.005 ? `< ${write(0.01)}` : write(share);
  }

  /** Return a duration in seconds or minutes, in words. */
  duration(seconds) {
    const inMinutes = seconds >= 90;
    const value = inMinutes ? Math.round(seconds / 60)
      : Math.max(1, Math.round(seconds));
    return value.toLocaleString(this.code, {
      style: "unit", unit: inMinutes ? "minute" : "second",
      unitDisplay: "long" });
  }

  /**
   * Write this language into elements of index.html: data-text names the
   * sentence of the element, data-label that of its aria-label.
   */
  apply() {
    document.documentElement.lang = this.code;
    for (const node of document.querySelectorAll("[data-text]")) {
      node.textContent = this.text(node.dataset.text);
    }
    for (const node of document.querySelectorAll("[data-label]")) {
      node.setAttribute("aria-label", this.text(node.dataset.label));
    }
  }
}

/** Replace {name} by a value, as Python's str.format does. */
function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g,
                          (all, name) => String(values[name] ?? all));
}
