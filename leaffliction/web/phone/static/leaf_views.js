/**
 * The leaves of a picture on white, their lesions outlined, and both in
 * numbers.
 *
 * As leaffliction/prediction/leaf_views.py.
 */

import { boxOf, connectedParts, count, crop } from "./morphology.js";
import { findLeaves, numberLeaves } from "./leaves.js";
import { findLesions } from "./lesions.js";
import { findOutlines } from "./outlines.js";

const LESION = [255, 0, 200];
/** A leaf's longer side divided by the width of a line on it. */
const LINES_PER_LEAF = 200;

/**
 * @param {import("./resize.js").Picture} picture - at most 1024 pixels.
 * @returns {?{pictures: {leaf: import("./resize.js").Picture,
 *                        lesions: import("./resize.js").Picture},
 *             summary: {leaves: number, share: number, spots: number}}} null
 *   where no leaf is found.
 */
export function leafViews(picture) {
  const { width, height } = picture;
  const found = findLeaves(picture);
  const labels = numberLeaves(found, width, height);
  const leaves = found.map(({ box }, index) => leafOf(labels, width, box,
                                                      index + 1))
    // Another leaf's pixels may cover all of this one's.
    .filter(({ box }) => box.width);
  if (!leaves.length) {
    return null;
  }
  const all = leaves.map((leaf) => findLesions(picture, leaf));
  const leaf = onWhite(picture, labels);
  const lesions = { width, height, data: leaf.data.slice() };
  leaves.forEach(({ box }, index) => drawOutlines(lesions, all[index], box));
  const sum = (values) => values.reduce((one, other) => one + other, 0);
  return { pictures: { leaf, lesions }, summary: {
    leaves: leaves.length,
    share: sum(all.map(count)) / sum(leaves.map(({ mask }) => count(mask))),
    spots: sum(all.map((mask, index) => connectedParts(
      mask, leaves[index].box.width).areas.length - 1)) } };
}

/** Return a leaf without the pixels that another one covers. */
function leafOf(labels, width, around, number) {
  const whole = crop(labels, width, around).map(
    (label) => label === number ? 1 : 0);
  const box = boxOf(whole, around.width, around.height);
  return { box: { ...box, x: around.x + box.x, y: around.y + box.y },
           mask: crop(whole, around.width, box) };
}

function onWhite({ width, height, data }, labels) {
  const result = data.slice();
  for (let index = 0; index < labels.length; index += 1) {
    if (!labels[index]) {
      result[4 * index] = 255;
      result[4 * index + 1] = 255;
      result[4 * index + 2] = 255;
    }
  }
  return { width, height, data: result };
}

/** Outline each part of a mask, which lies in a box of the picture. */
function drawOutlines(picture, mask, box) {
  const line = Math.max(1, Math.floor(Math.max(box.width, box.height)
                                      / LINES_PER_LEAF));
  for (const { x, y } of findOutlines(mask, box.width, box.height)) {
    for (let index = 0; index < x.length; index += 1) {
      drawSquare(picture, box.x + x[index], box.y + y[index], line);
    }
  }
}

function drawSquare({ width, height, data }, x, y, side) {
  const before = side >> 1;
  for (let row = Math.max(0, y - before);
    row < Math.min(height, y - before + side); row += 1) {
    for (let column = Math.max(0, x - before);
      column < Math.min(width, x - before + side); column += 1) {
      data.set(LESION, 4 * (row * width + column));
    }
  }
}
