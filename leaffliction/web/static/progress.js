/** How far the queue is, for eyes and for screen readers. */

import { byId } from "./dom.js";

const SPEAK_MS = 5000;    // between two announcements of the progress

let lastSpoken = -SPEAK_MS;
let isBusy = false;

/**
 * Say a sentence to screen readers, when they have finished the last one.
 *
 * @param {string} sentence
 */
export function announce(sentence) {
  const announcer = byId("announcer");
  // The same sentence written again would be said again.
  if (announcer.textContent !== sentence) {
    announcer.textContent = sentence;
  }
}

/**
 * Show how many photographs are answered, and the time left.
 *
 * @param {import("./queue.js").Queue} queue
 * @param {import("./languages.js").Language} language
 */
export function showProgress(queue, language) {
  const { done, total, offline, left } = queue;
  byId("progress-line").hidden = !left;
  byId("offline").hidden = !offline;
  const progress = byId("progress");
  progress.max = Math.max(1, total);
  progress.value = done;
  const count = language.text("progress", {
    done: language.number(done), total: language.number(total) });
  const seconds = queue.secondsLeft;
  byId("progress-text").textContent = count;
  byId("time-left").textContent = seconds === null || !left ? ""
    : language.text("time_left", { time: language.duration(seconds) });
  speak(queue, count, language);
}

function speak({ left, total, offline }, count, language) {
  const now = performance.now();
  const hasEnded = isBusy && !left;
  isBusy = left > 0;
  if (offline) {
    announce(language.text("offline"));
  } else if (hasEnded) {
    announce(language.count("all_done", total));
  } else if (isBusy && now - lastSpoken > SPEAK_MS) {
    lastSpoken = now;
    announce(count);
  }
}
