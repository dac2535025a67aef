/**
 * The leaves of a picture.
 *
 * As find_leaves of leaffliction/transformation/mask.py, whose comments say
 * why, with the same numbers; for pictures of at most 1024 pixels, which that
 * does not reduce.
 *
 * @typedef {object} Leaf
 * @property {import("./outlines.js").Box} box
 * @property {Uint8Array} mask - 1 on the leaf, in its box.
 * @property {number} quality - 0..1, how certain it is.
 */

import { toLab } from "./lab.js";
import { SQUARE, boxOf, connectedParts, count, crop,
         dilate } from "./morphology.js";
import { boxAround, fillOutlines } from "./outlines.js";
import { MIN_PIECE_SHARE, groupParts, partsOf,
         segment } from "./segmentation.js";

const MIN_FILLING_SIDE = 0.5;
const FINE_OPENING = 3;
const CROP_MARGIN = 0.15;
const MIN_CROP_QUALITY = 0.35;
/** Levels of L, a and b within which the ground has one colour. */
export const PLAIN_RANGE = [40, 8, 8];
const HOLE_RANGE = [24, 6, 6];
const MIN_HOLE_SHARE = 0.0003;
const MIN_QUALITY = 0.25;
const MIN_BEST_OF_SEVERAL = 0.55;

/**
 * Return the leaves, in reading order.
 *
 * @param {import("./resize.js").Picture} picture
 * @returns {Leaf[]}
 */
export function findLeaves(picture) {
  const lab = toLab(picture);
  let segmentation = segment(lab);
  let parts = partsOf(segmentation);
  let fillsImage = false;
  if (parts.length) {
    const { width, height } = boxAround([parts[0]]);
    fillsImage = Math.max(width, height) >= MIN_FILLING_SIDE * Math.max(
      picture.width, picture.height);
  }
  if (!fillsImage) {
    segmentation = segment(lab, FINE_OPENING);
    parts = partsOf(segmentation);
  }
  const groups = groupParts(parts, segmentation);
  let refined = [];
  if (!fillsImage || groups.length > 1) {
    const { leafPixels, width, height } = segmentation;
    const anyLeaf = dilate(leafPixels, width, height, SQUARE);
    refined = groups
      .map((group) => [group, refine(group, segmentation, anyLeaf)])
      .filter(([, leaf]) => leaf);
  }
  if (fillsImage) {
    const isConfirmed = refined.some(([group]) => group === groups[0]);
    if (!isConfirmed || refined.length < 2) {
      const { mask, quality } = maskAndQuality(groups[0], segmentation);
      refined = [[groups[0], cropLeaf(mask, segmentation, quality)]];
    }
  }
  const shareOfParts = (
    areaOf(refined.flatMap(([group]) => group)) / Math.max(1, areaOf(parts)));
  return inReadingOrder(goodLeaves(refined.map(([, leaf]) => (
    { ...leaf, quality: leaf.quality * shareOfParts }))));
}

function areaOf(parts) {
  return parts.reduce((sum, { area }) => sum + area, 0);
}

function goodLeaves(leaves) {
  const good = leaves.filter(({ quality }) => quality >= MIN_QUALITY);
  return good.length > 1 && good.every(
    ({ quality }) => quality < MIN_BEST_OF_SEVERAL) ? [] : good;
}

/** Return a leaf, segmented again in a crop, or null. */
function refine(group, coarse, anyLeafPixels) {
  const box = cropBox(group, coarse);
  const { x, y, width, height } = box;
  const lab = { width, height, planes: coarse.lab.planes.map(
    (plane) => crop(plane, coarse.width, box)) };
  const thisLeaf = fillOutlines(group, box);
  const anyLeaf = crop(anyLeafPixels, coarse.width, box);
  const fine = segment(lab, undefined, anyLeaf, coarse.background);
  const parts = partsOfLeaf(partsOf(fine), thisLeaf, width);
  if (!parts.length) {
    return null;
  }
  const { mask, quality } = maskAndQuality(parts, fine, [
    x === 0, y === 0, x + width === coarse.width,
    y + height === coarse.height]);
  const [plain, background] = plainGround(fine, anyLeaf);
  if (quality * plain < MIN_CROP_QUALITY * Math.max(1, background)) {
    return null;
  }
  return cropLeaf(mask, box, quality);
}

/** Return the part of the picture around a leaf. */
function cropBox(group, { width, height }) {
  const leaf = boxAround(group);
  const margin = CROP_MARGIN * Math.max(leaf.width, leaf.height);
  const ends = (start, length, limit) => [
    Math.floor(Math.max(start - margin - 1, 0)),
    Math.ceil(Math.min(start + length + margin + 1, limit))];
  const [left, right] = ends(leaf.x, leaf.width, width);
  const [top, bottom] = ends(leaf.y, leaf.height, height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** Return how many pixels of the ground have its colour, and how many all. */
function plainGround({ lab, background, leafPixels }, anyLeaf) {
  const { planes: [lightness, redness, yellowness] } = lab;
  let plain = 0;
  let all = 0;
  for (let index = 0; index < anyLeaf.length; index += 1) {
    if (!anyLeaf[index] && !leafPixels[index]) {
      all += 1;
      plain += isNear(lightness[index], redness[index], yellowness[index],
                      background, PLAIN_RANGE) ? 1 : 0;
    }
  }
  return [plain, all];
}

/** Return whether a colour is that of the ground, within some levels. */
export function isNear(lightness, redness, yellowness, ground, range) {
  return Math.abs(lightness - ground[0]) <= range[0]
    && Math.abs(redness - ground[1]) <= range[1]
    && Math.abs(yellowness - ground[2]) <= range[2];
}

function partsOfLeaf(parts, leaf, width) {
  const liesOnLeaf = (part) => {
    const { x, y, area } = part;
    const on = x.reduce((sum, value, index) => (
      sum + leaf[y[index] * width + value]), 0);
    if (on > 0.5 * x.length) {
      return true;
    }
    const box = boxAround([part]);
    const here = crop(leaf, width, box);
    const common = fillOutlines([part], box).map(
      (value, index) => value & here[index]);
    return count(common) > 0.5 * area;
  };
  const lying = parts.filter(liesOnLeaf);
  return lying.filter(
    ({ area }) => area >= MIN_PIECE_SHARE * lying[0].area);
}

/**
 * Return a leaf's mask and its quality.
 *
 * @param {import("./outlines.js").Outline[]} outlines
 * @param {import("./segmentation.js").Segmentation} segmentation
 * @param {boolean[]} [cuts] - whether its left, upper, right and lower edge
 *   are edges of the photograph.
 * @returns {{mask: Uint8Array, quality: number}}
 */
function maskAndQuality(outlines, segmentation,
                        cuts = [true, true, true, true]) {
  const { width, height, leafPixels, logOdds } = segmentation;
  const mask = fillOutlines(outlines, { x: 0, y: 0, width, height });
  let doubt = 0;
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      const index = y * width + x;
      if (mask[index] === leafPixels[index]) {
        doubt += 2 / (1 + Math.exp(Math.abs(logOdds[index])));
      }
    }
  }
  const area = count(mask);
  const [left, upper, right, lower] = cuts;
  let cut = 0;
  let all = 0;
  for (const { x, y } of outlines) {
    all += x.length;
    for (let index = 0; index < x.length; index += 1) {
      cut += (left && x[index] === 0) || (right && x[index] === width - 1)
        || (upper && y[index] === 0) || (lower && y[index] === height - 1)
        ? 1 : 0;
    }
  }
  openHoles(mask, segmentation);
  return { mask, quality: area / (area + 4 * doubt) * (1 - cut / all) };
}

/** Remove the holes that show the background; others are lesions. */
function openHoles(mask, { width, leafPixels, lab: { planes }, background }) {
  const filled = new Uint8Array(mask.length);
  for (let index = 0; index < mask.length; index += 1) {
    filled[index] = mask[index] & ~leafPixels[index];
  }
  const least = MIN_HOLE_SHARE * mask.length;
  if (count(filled) < least) {
    return;
  }
  const { labels, areas } = connectedParts(filled, width, false);
  const sums = areas.map(() => [0, 0, 0]);
  for (let index = 0; index < labels.length; index += 1) {
    if (labels[index]) {
      const sum = sums[labels[index]];
      sum[0] += planes[0][index];
      sum[1] += planes[1][index];
      sum[2] += planes[2][index];
    }
  }
  const isOpen = areas.map((area, number) => area > 0 && area >= least
    && isNear(...sums[number].map((sum) => sum / area), background,
              HOLE_RANGE));
  for (let index = 0; index < labels.length; index += 1) {
    if (isOpen[labels[index]]) {
      mask[index] = 0;
    }
  }
}

/** Return the leaf of a mask, which is that of a part of the picture. */
function cropLeaf(mask, { x = 0, y = 0, width, height }, quality) {
  const box = boxOf(mask, width, height);
  return { box: { ...box, x: x + box.x, y: y + box.y },
           mask: crop(mask, width, box), quality };
}

/** Return the leaves row by row, each row from left to right. */
function inReadingOrder(leaves) {
  const ordered = [];
  let remaining = [...leaves].sort((one, other) => one.box.y - other.box.y);
  while (remaining.length) {
    const [{ box: first }] = remaining;
    const isInRow = ({ box }) => (
      box.y + box.height / 2 <= first.y + first.height);
    ordered.push(...remaining.filter(isInRow)
      .sort((one, other) => one.box.x - other.box.x));
    remaining = remaining.filter((leaf) => !isInRow(leaf));
  }
  return ordered;
}

/**
 * Return the number of each pixel's leaf, from 1, or 0.
 *
 * @param {Leaf[]} leaves
 * @param {number} width - of the picture.
 * @param {number} height
 * @returns {Uint8Array}
 */
export function numberLeaves(leaves, width, height) {
  const labels = new Uint8Array(width * height);
  leaves.forEach(({ box, mask }, number) => {
    for (let index = 0; index < mask.length; index += 1) {
      if (mask[index]) {
        labels[(box.y + Math.floor(index / box.width)) * width
               + box.x + index % box.width] = number + 1;
      }
    }
  });
  return labels;
}
