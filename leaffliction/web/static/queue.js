/** The queue of photographs that wait for their answer. */

const RECENT = 20;      // answers from which the time left is estimated
const POLL_MS = 2000;   // between two tries to reach the program again

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Queue {
  #waiting = [];
  #running = 0;
  #stalled = [];    // failed because the program did not answer
  #finished = [];   // times of the latest answers, ms

  /**
   * @param {object} parts
   * @param {function(Photograph): Promise<Answer>} parts.ask
   * @param {function(): Promise} parts.reach - rejects while the program does
   *   not answer.
   * @param {function(?Photograph)} parts.changed - called after the state of
   *   a photograph, or of the queue, has changed.
   */
  constructor({ ask, reach, changed }) {
    this.ask = ask;
    this.reach = reach;
    this.changed = changed;
    this.parallel = 1;
    /** Photographs since the queue was last empty. */
    this.total = 0;
    /** Whether the program does not answer. */
    this.offline = false;
  }

  /** How many of `total` have their answer, or an error. */
  get done() {
    return this.total - this.left;
  }

  get left() {
    return this.#waiting.length + this.#running + this.#stalled.length;
  }

  /** Seconds until the queue is empty; null before that can be told. */
  get secondsLeft() {
    const times = this.#finished;
    if (times.length < 3 || this.offline) {
      return null;
    }
    const each = (times.at(-1) - times[0]) / (times.length - 1);
    return this.left * each / 1000;
  }

  /** Let photographs wait for an answer, after those that wait already. */
  add(photographs) {
    if (!this.left) {
      this.total = 0;
      this.#finished = [];
    }
    this.total += photographs.length;
    for (const photograph of photographs) {
      // An answer to an earlier ticket comes too late, and is dropped.
      photograph.ticket += 1;
      photograph.state = "waiting";
      photograph.error = null;
    }
    this.#waiting.push(...photographs);
    this.#fill();
  }

  /** Forget photographs, whatever their state. */
  remove(photographs) {
    const gone = new Set(photographs);
    const before = this.#waiting.length + this.#stalled.length;
    this.#waiting = this.#waiting.filter((item) => !gone.has(item));
    this.#stalled = this.#stalled.filter((item) => !gone.has(item));
    this.total -= before - this.#waiting.length - this.#stalled.length;
    gone.forEach((photograph) => { photograph.ticket += 1; });
    this.changed(null);
  }

  /** Ask again for photographs, with all that wait already. */
  again(photographs) {
    this.remove(photographs);
    this.add(photographs);
    // Those that are asked about already have been reported.
    photographs.filter(({ state }) => state === "waiting")
      .forEach((photograph) => this.changed(photograph));
    if (this.offline) {
      this.#reconnect();
    }
  }

  #fill() {
    while (!this.offline && this.#waiting.length
           && this.#running < this.parallel) {
      this.#answer(this.#waiting.shift());
    }
    this.changed(null);
  }

  async #answer(photograph) {
    this.#running += 1;
    const ticket = photograph.ticket;
    photograph.state = "asking";
    this.changed(photograph);
    let answer = null;
    let error = null;
    try {
      answer = await this.#askPatiently(photograph, ticket);
    } catch (problem) {
      error = problem;
    }
    this.#running -= 1;
    if (ticket === photograph.ticket) {
      this.#settle(photograph, answer, error);
    }
    this.#fill();
  }

  /** Ask; while the program is busy, wait as long as it says. */
  async #askPatiently(photograph, ticket) {
    for (;;) {
      try {
        return await this.ask(photograph);
      } catch (error) {
        if (error.code !== "busy" || ticket !== photograph.ticket) {
          throw error;
        }
        await sleep(1000 * error.retryAfter);
      }
    }
  }

  #settle(photograph, answer, error) {
    photograph.answer = answer;
    photograph.error = error;
    photograph.state = error ? "error" : "done";
    if (error?.code === "offline") {
      this.#stalled.push(photograph);
      this.#wait();
    } else {
      this.#finished = [...this.#finished, performance.now()].slice(-RECENT);
    }
    this.changed(photograph);
  }

  /** Try to reach the program until it answers. */
  async #wait() {
    if (this.offline) {
      return;
    }
    this.offline = true;
    while (this.offline) {
      await sleep(POLL_MS);
      await this.#reconnect();
    }
  }

  async #reconnect() {
    try {
      await this.reach();
    } catch (error) {
      if (error.code === "offline") {
        return;
      }
      // It answers, if only that it does not know this page: rows say so.
    }
    if (!this.offline) {
      return;
    }
    this.offline = false;
    this.#finished = [];
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const photograph of stalled) {
      photograph.state = "waiting";
      photograph.error = null;
      this.changed(photograph);
    }
    this.#waiting.unshift(...stalled);
    this.#fill();
  }
}
