/** What this device keeps, in IndexedDB: only pages of this server read it. */

/* Each folder of a server has its own: their models may differ. */
const NAME = `leaffliction ${new URL("../", import.meta.url).pathname}`;
/** Photographs with their answers, and corrections. */
export const PHOTOGRAPHS = "photographs";
export const CORRECTIONS = "corrections";

export class Store {
  #database = null;     // a promise, from the first use on

  /** Put a value, whose property `id` is its key, into a table. */
  put(table, value) {
    return this.#run(table, "readwrite", (rows) => rows.put(value));
  }

  /** Delete values; their keys may be those of none. */
  remove(table, ids) {
    return this.#run(table, "readwrite", (rows) => {
      ids.forEach((id) => rows.delete(id));
    });
  }

  /** @returns {Promise<object[]>} all values, in the order of their keys. */
  all(table) {
    return this.#run(table, "readonly", (rows) => rows.getAll());
  }

  /** Do something in a transaction; resolves when it is written. */
  async #run(table, mode, action) {
    const database = await (this.#database ??= open());
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(table, mode);
      const request = action(transaction.objectStore(table));
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(PHOTOGRAPHS, { keyPath: "id" });
      request.result.createObjectStore(CORRECTIONS, { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
