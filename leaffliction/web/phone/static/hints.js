/**
 * Hints: what could be better about a photograph.
 *
 * The rules of leaffliction/prediction/hints.py, with the same thresholds.
 */

import { mirror } from "./blur.js";
import { toLab } from "./lab.js";
import { PLAIN_RANGE, findLeaves, isNear, numberLeaves } from "./leaves.js";
import { SQUARE, count, dilate } from "./morphology.js";
import { roundToEven, shrink } from "./resize.js";
import { frameIndices, medianLevel } from "./segmentation.js";

const DETAIL_SIDE = 128;    // of the image in which detail is looked for
const SIDE = 64;            // and of that in which leaves are
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
const MIN_GROUND = 0.2;
const MIN_PLAIN = 0.75;
const MIN_LAID_QUALITY = 0.4;
const MIN_SMALL_QUALITY = 0.6;
const MIN_LEAF_SHARE = 0.08;
const MAX_CUT = 0.8;
const MIN_SHARE_OF_LARGEST = 0.2;
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
  const small = shrink(detailed, SIDE);
  const pixels = pixelsOf(small);
  const { leaves, subject } = laidLeaves(small);
  const shown = subject && pixels.filter((_, index) => subject[index]);
  const unknown = known ? []
    : [{ code: "not_like_learned", values: { plants } }];
  const hints = isBlurred(detailed) ? [hint("blurred")] : [];
  if (isDark(pixels) && (!shown || isDark(shown))) {
    hints.push(hint("too_dark"));
  } else if (isBurntOut(shown ?? pixels.filter(
    (pixel) => Math.min(...pixel) < WHITE_LEVEL))) {
    hints.push(hint("burnt_out"));
  } else if (!known && !showsGreen(shown ?? pixels)) {
    return [...hints, hint("no_leaf"), ...unknown];
  }
  return [...hints, ...leafHints(leaves, small), ...unknown];
}

function hint(code, values = {}) {
  return { code, values };
}

function pixelsOf({ data }) {
  return Array.from({ length: data.length / 4 }, (_, index) => [
    ...data.subarray(4 * index, 4 * index + 3)]);
}

/** Return the leaves on a plain ground, and where they are, or null. */
function laidLeaves(picture) {
  const { width, height } = picture;
  const leaves = findLeaves(picture);
  const subject = numberLeaves(leaves, width, height).map(
    (label) => label ? 1 : 0);
  return areLaid(picture, leaves, subject) ? { leaves, subject }
    : { leaves: [], subject: null };
}

function areLaid(picture, leaves, subject) {
  const { width, height } = picture;
  if (leaves.every(({ quality }) => quality < MIN_LAID_QUALITY)) {
    return false;
  }
  const near = dilate(subject, width, height, SQUARE);
  const frame = frameIndices(width, height).filter(
    (_, index) => index % 4 === 0);
  const ground = frame.filter((index) => !near[index]);
  if (ground.length < MIN_GROUND * frame.length) {
    return false;
  }
  const { planes } = toLab(picture);
  const colour = planes.map((plane) => medianLevel(plane, ground));
  const plain = ground.filter((index) => isNear(
    ...planes.map((plane) => plane[index]), colour, PLAIN_RANGE));
  return plain.length >= MIN_PLAIN * ground.length;
}

/** Return the hints about the number, size and position of leaves. */
function leafHints(all, { width, height }) {
  const areas = all.map(({ mask }) => count(mask));
  const largest = Math.max(...areas);
  const leaves = all.filter(
    (_, index) => areas[index] >= MIN_SHARE_OF_LARGEST * largest);
  if (leaves.length > 1) {
    return [hint("several_leaves", { count: leaves.length })];
  }
  const share = largest / (width * height);
  return leaves.flatMap((leaf) => {
    if (share < MIN_LEAF_SHARE && leaf.quality >= MIN_SMALL_QUALITY) {
      return [hint("small_leaf", {
        share: Math.max(1, roundToEven(100 * share)) })];
    }
    return cutShare(leaf, width, height) > MAX_CUT ? [hint("cut_leaf")] : [];
  });
}

/** Return how much of a leaf's side an edge of the photograph cuts, 0..1. */
function cutShare({ box, mask }, width, height) {
  const across = (row) => box.y + row === (row ? height - 1 : 0)
    ? mask.subarray(row * box.width, (row + 1) * box.width) : [];
  const down = (column) => box.x + column === (column ? width - 1 : 0)
    ? mask.filter((_, index) => index % box.width === column) : [];
  return Math.max(...[across(0), across(box.height - 1), down(0),
                      down(box.width - 1)].map(
    (side) => side.length && count(side) / side.length));
}

function isDark(pixels) {
  const bright = pixels.filter((pixel) => Math.max(...pixel) >= DARK_LEVEL);
  return bright.length < MIN_BRIGHT_SHARE * pixels.length;
}

function isBurntOut(subject) {
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
