/** The last photographs and their answers, kept on this device alone. */

import { PHOTOGRAPHS } from "./store.js";

/** Photographs that are kept, at about 0.1 MB each. */
const KEPT = 100;

export class History {
  #store;
  #pictures = new WeakMap();    // photograph → what is kept of its file
  #keys = new WeakMap();        // photograph → its key
  #lastKey = 0;

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.#store = store;
  }

  /**
   * Return what was kept, the oldest first.
   *
   * @param {function(File, string): Photograph} create - as
   *   createPhotograph of ../photographs.js.
   * @returns {Promise<Photograph[]>} answered.
   */
  async restore(create) {
    const kept = await this.#store.all(PHOTOGRAPHS);
    this.#lastKey = kept.at(-1)?.id ?? 0;
    await this.#store.remove(PHOTOGRAPHS,
                             kept.slice(0, -KEPT).map(({ id }) => id));
    return kept.slice(-KEPT).map((entry) => {
      const file = new File([entry.picture], entry.file,
                            { type: entry.picture.type });
      const photograph = create(file, entry.folder);
      this.#keys.set(photograph, entry.id);
      this.#pictures.set(photograph, entry.picture);
      const { answer, thumbnail, correction } = entry;
      return Object.assign(photograph, { state: "done", answer, thumbnail,
                                         correction });
    });
  }

  /**
   * Keep an answered photograph, or what has changed about it.
   *
   * @param {Photograph} photograph
   * @param {import("../views.js").ViewStore} views - of which a smaller
   *   picture than the file is kept.
   */
  async put(photograph, views) {
    if (!this.#keys.has(photograph)) {
      this.#lastKey += 1;
      this.#keys.set(photograph, this.#lastKey);
    }
    const picture = this.#pictures.get(photograph)
      ?? await views.get(photograph, "photograph");
    this.#pictures.set(photograph, picture);
    if (!this.#keys.has(photograph)) {
      return;     // It was removed meanwhile.
    }
    const { file, folder, answer, thumbnail, correction } = photograph;
    await this.#store.put(PHOTOGRAPHS, {
      id: this.#keys.get(photograph), file: file.name, folder, answer,
      thumbnail, correction, picture });
  }

  /** Delete photographs from this device. */
  async remove(photographs) {
    const kept = photographs.filter((photograph) => this.#keys.has(
      photograph));
    const ids = kept.map((photograph) => this.#keys.get(photograph));
    kept.forEach((photograph) => this.#keys.delete(photograph));
    await this.#store.remove(PHOTOGRAPHS, ids);
  }
}
