/**
 * Hints: what could be better about a photograph.
 *
 * The rules of leaffliction/prediction/hints.py that need no outline of the
 * leaf, with the same thresholds; the number, size and position of leaves are
 * not judged here.
 */

import { shrink } from "./resize.js";

const DETAIL_SIDE = 128;    // of the image in which detail is looked for
const SIDE = 64;            // and of that in which light and green are
const FINE = 1;             // radius of a square of 3 x 3 pixels
const COARSE = 4;           // of 9 x 9
const ROUNDING = 0.1;
const MIN_FINE_SHARE = 0.055;
const MIN_COARSE_VARIANCE = 0.2;
const DARK_LEVEL = 120;
const MIN_BRIGHT_SHARE = 0.1;
const BURNT_LEVEL = 250;
const WHITE_LEVEL = 225;
const MAX_BURNT_SHARE = 0.33;
const GREEN_LEVEL = 20;
const MIN_GREEN_SHARE = 0.1;

/**
 * @param {import("./resize.js").Picture} picture
 * @param {boolean} known
 * @param {string} plants - that the model knows, as the hint names them.
 * @returns {{code: string, values: object}[]} in the order in which to act.
 */
export function findHints(picture, known, plants) {
  const detailed = shrink(picture, DETAIL_SIDE);
  const pixels = pixelsOf(shrink(detailed, SIDE));
  const codes = isBlurred(detailed) ? ["blurred"] : [];
  if (isDark(pixels)) {
    codes.push("too_dark");
  } else if (isBurntOut(pixels)) {
    codes.push("burnt_out");
  } else if (!known && !showsGreen(pixels)) {
    codes.push("no_leaf");
  }
  const hints = codes.map((code) => ({ code, values: {} }));
  return known ? hints
    : [...hints, { code: "not_like_learned", values: { plants } }];
}

function pixelsOf({ data }) {
  return Array.from({ length: data.length / 4 }, (_, index) => [
    ...data.subarray(4 * index, 4 * index + 3)]);
}

function isDark(pixels) {
  const bright = pixels.filter((pixel) => Math.max(...pixel) >= DARK_LEVEL);
  return bright.length < MIN_BRIGHT_SHARE * pixels.length;
}

function isBurntOut(pixels) {
  const subject = pixels.filter((pixel) => Math.min(...pixel) < WHITE_LEVEL);
  const burnt = subject.filter((pixel) => Math.max(...pixel) >= BURNT_LEVEL);
  return burnt.length > MAX_BURNT_SHARE * subject.length;
}

function showsGreen(pixels) {
  const green = pixels.filter(
    ([red, middle, blue]) => 2 * middle - red - blue > GREEN_LEVEL);
  return green.length >= MIN_GREEN_SHARE * pixels.length;
}

function isBlurred({ width, height, data }) {
  const grey = Float32Array.from({ length: width * height }, (_, index) => (
    9798 * data[4 * index] + 19235 * data[4 * index + 1]
    + 3735 * data[4 * index + 2] + 16384) >> 15);
  const fine = varianceWithin(grey, width, height, FINE);
  const coarse = varianceWithin(grey, width, height, COARSE);
  return coarse >= MIN_COARSE_VARIANCE
    && fine - ROUNDING < MIN_FINE_SHARE * coarse;
}

/** Return the mean squared difference to the mean of the square around. */
function varianceWithin(grey, width, height, radius) {
  const rows = blurLines(grey, width, 1, height, width, radius);
  const means = blurLines(rows, height, width, width, 1, radius);
  return grey.reduce((sum, value, index) => sum + (value - means[index]) ** 2,
                     0) / grey.length;
}

/**
 * Return the means along lines; beyond an end, the line is mirrored.
 *
 * @param {Float32Array} values
 * @param {number} length - of a line.
 * @param {number} step - from a value of a line to the next.
 * @param {number} lines
 * @param {number} stride - from a line to the next.
 * @param {number} radius
 * @returns {Float32Array}
 */
function blurLines(values, length, step, lines, stride, radius) {
  const result = new Float32Array(values.length);
  for (let line = 0; line < lines; line += 1) {
    for (let at = 0; at < length; at += 1) {
      let sum = 0;
      for (let offset = -radius; offset <= radius; offset += 1) {
        sum += values[line * stride + mirror(at + offset, length) * step];
      }
      result[line * stride + at * step] = sum / (2 * radius + 1);
    }
  }
  return result;
}

function mirror(index, length) {
  const last = length - 1;
  let inside = Math.abs(index);
  while (inside > last) {
    inside = last && Math.abs(2 * last - inside);
  }
  return inside;
}
