/**
 * The diseased tissue of a leaf.
 *
 * As leaffliction/transformation/lesions.py, whose comments say why, with the
 * same numbers.
 */

import { gaussianBlur } from "./blur.js";
import { toLab } from "./lab.js";
import { connectedParts, count, crop, disc, erode,
         open } from "./morphology.js";
import { enlargeMask, interpolateCubic, reduceByArea, reduceMask,
         roundToEven } from "./resize.js";

const { fround } = Math;

const MIN_REDNESS = 10;
const HEALTHY_SHARE = 0.25;
const GLARE_LIGHTNESS = 15;
const GLARE_YELLOW = 0.6;
const MIN_SHADE = 0.4;
const LEAF_SIDE = 176;
const MAX_SIDE = 512;
const STEM = 13;
const EDGE = 2;
const GRAIN = 3;
const BLUR = 0.7;
const MARGIN = 4;
const PHOTO_EDGE = 0.75;
const PIXEL_BLUR = 0.29;
const MIN_SHARPENED = 1.3;
const SHARPEN = 0.5;
const SHARPEN_BLUR = 0.4;
const MIN_SPOT_SHARE = 4e-4;
/** Of a level of 255. */
const HALF = 127.5;

/**
 * Return the lesions of a leaf: 1 on diseased tissue, in the leaf's box.
 *
 * @param {import("./resize.js").Picture} picture - the whole.
 * @param {{box: import("./outlines.js").Box, mask: Uint8Array}} leaf
 * @returns {Uint8Array}
 */
export function findLesions(picture, { box, mask }) {
  const { x, y, width, height } = box;
  const zoom = Math.min(LEAF_SIDE / Math.sqrt(count(mask)),
                        MAX_SIDE / Math.max(width, height));
  const margin = Math.ceil(MARGIN / zoom);
  const left = Math.min(x, margin);
  const upper = Math.min(y, margin);
  const part = {
    left: x - left, top: y - upper,
    width: left + width + Math.min(picture.width - x - width, margin),
    height: upper + height + Math.min(picture.height - y - height, margin) };
  const [toWidth, toHeight] = [part.width, part.height].map(
    (side) => Math.max(1, roundToEven(side * zoom)));
  const around = new Uint8Array(part.width * part.height);
  for (let row = 0; row < height; row += 1) {
    around.set(mask.subarray(row * width, (row + 1) * width),
               (upper + row) * part.width + left);
  }
  const resized = zoom < 1 ? reduceByArea(picture, part, toWidth, toHeight)
    : interpolateCubic(picture, part, toWidth, toHeight);
  const leaf = atLeast((zoom < 1 ? reduceMask : enlargeMask)(
    around, part, toWidth, toHeight), HALF);
  const lesions = toPhotograph(lesionsAtFixedArea(resized, leaf, zoom),
                               resized, part, zoom);
  const result = crop(lesions, part.width,
                      { x: left, y: upper, width, height });
  for (let index = 0; index < result.length; index += 1) {
    result[index] &= mask[index];
  }
  return result;
}

/** Return a mask at the size of the photograph. */
function toPhotograph(lesions, from, { width, height }, zoom) {
  if (zoom < 1) {
    return atLeast(enlargeMask(lesions, from, width, height), HALF);
  }
  const coverage = reduceMask(lesions, from, width, height);
  const covered = coverage.filter((value) => value > 0).sort();
  const kept = Math.min(covered.length,
                        roundToEven(count(lesions) / zoom ** 2));
  const least = kept ? covered[covered.length - kept] : Infinity;
  return atLeast(coverage, least);
}

/** Return 1 where a value is at least the least. */
function atLeast(values, least) {
  const mask = new Uint8Array(values.length);
  for (let index = 0; index < mask.length; index += 1) {
    mask[index] = values[index] >= least ? 1 : 0;
  }
  return mask;
}

/** Return the diseased tissue of a leaf of fixed area. */
function lesionsAtFixedArea(picture, leaf, zoom) {
  const { width, height } = picture;
  const area = count(leaf);
  const unit = Math.sqrt(area) / LEAF_SIDE;
  const edge = Math.max(EDGE * unit, PHOTO_EDGE * zoom);
  const blade = erode(open(leaf, width, height, discOf(STEM * unit)), width,
                      height, discOf(2 * edge + 1));
  const inside = [];
  blade.forEach((value, index) => {
    if (value) {
      inside.push(index);
    }
  });
  if (!inside.length) {
    return blade;
  }
  const [lightness, a, b] = smoothedLab(picture, unit, zoom);
  const limit = quantile(valuesAt(a, inside), HEALTHY_SHARE);
  const greenest = inside.filter((index) => a[index] <= limit);
  const [healthyLightness, healthyA, healthyB] = [lightness, a, b].map(
    (plane) => quantile(valuesAt(plane, greenest), 0.5));
  const diseased = new Uint8Array(blade.length);
  for (const index of inside) {
    const shade = Math.min(Math.max(
      lightness[index] / Math.max(healthyLightness, 1), MIN_SHADE), 1);
    const isGlare = lightness[index] > healthyLightness + GLARE_LIGHTNESS
      && b[index] < GLARE_YELLOW * healthyB;
    diseased[index] = a[index] - healthyA * shade > MIN_REDNESS && !isGlare
      ? 1 : 0;
  }
  const opened = open(diseased, width, height, discOf(GRAIN * unit));
  const { labels, areas } = connectedParts(opened, width);
  return opened.map((value, index) => (
    value && areas[labels[index]] >= MIN_SPOT_SHARE * area ? 1 : 0));
}

/** Return L, a and b as floats, equally sharp for all photographs. */
function smoothedLab(picture, unit, zoom) {
  const { width, height, planes } = toLab(picture);
  const variance = ((BLUR * unit) ** 2
                    - PIXEL_BLUR ** 2 * (Math.max(zoom, 1) ** 2 - 1));
  return planes.map((plane, channel) => {
    const middle = channel ? 128 : 0;
    let values = new Float32Array(plane);
    for (let index = 0; index < values.length; index += 1) {
      values[index] -= middle;
    }
    if (variance > 0) {
      values = gaussianBlur(values, width, height,
                            Math.max(0.3, Math.sqrt(variance)));
    }
    if (zoom > MIN_SHARPENED) {
      const blurred = gaussianBlur(values, width, height,
                                   SHARPEN_BLUR * zoom);
      const strength = SHARPEN * Math.min(1, zoom - MIN_SHARPENED);
      values = values.map((value, index) => (
        value + strength * (value - blurred[index])));
    }
    return values;
  });
}

function valuesAt(plane, indices) {
  const values = new Float32Array(indices.length);
  for (let rank = 0; rank < values.length; rank += 1) {
    values[rank] = plane[indices[rank]];
  }
  return values;
}

/** Return a quantile as NumPy: linear between the two nearest values. */
function quantile(values, share) {
  const rank = (values.length - 1) * share;
  const first = Math.floor(rank);
  const low = select(values, first);
  const above = values.subarray(first + 1);
  const high = above.length ? above.reduce((one, other) => (
    one < other ? one : other)) : low;
  return fround(low + (high - low) * (rank - first));
}

/** Move the value of a rank there, smaller ones before it; return it. */
function select(values, rank) {
  let start = 0;
  let end = values.length - 1;
  while (start < end) {
    const pivot = values[(start + end) >> 1];
    let low = start;
    let high = end;
    while (low <= high) {
      while (values[low] < pivot) {
        low += 1;
      }
      while (values[high] > pivot) {
        high -= 1;
      }
      if (low <= high) {
        [values[low], values[high]] = [values[high], values[low]];
        low += 1;
        high -= 1;
      }
    }
    if (rank <= high) {
      end = high;
    } else if (rank >= low) {
      start = low;
    } else {
      break;
    }
  }
  return values[rank];
}

function discOf(diameter) {
  return disc(2 * roundToEven((diameter - 1) / 2) + 1);
}
