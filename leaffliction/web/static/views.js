/** The views of the photographs that were looked at last. */

/** Photographs whose views are kept, at about 0.4 MB each. */
const KEPT = 40;

export class ViewStore {
  #kept = new Map();    // photograph → its views, the oldest first

  /** @param {function(Photograph): Promise<Answer>} ask - for lost views. */
  constructor(ask) {
    this.ask = ask;
  }

  /** Keep the views of a photograph, and lose those of the oldest. */
  put(photograph, views) {
    this.#kept.delete(photograph);
    this.#kept.set(photograph, views);
    if (this.#kept.size > KEPT) {
      this.#kept.delete(this.#kept.keys().next().value);
    }
  }

  /**
   * Return the picture of a view; ask for it again where it was lost.
   *
   * @param {Photograph} photograph
   * @param {string} view - one of Answer.views.
   * @returns {Promise<?Blob>} null where there is none; rejects with an
   *   EngineError.
   */
  async get(photograph, view) {
    const views = this.#kept.get(photograph)
      ?? (await this.ask(photograph)).views;
    this.put(photograph, views);
    return views[view] ?? null;
  }

  /** Forget a photograph. */
  remove(photograph) {
    this.#kept.delete(photograph);
  }
}
