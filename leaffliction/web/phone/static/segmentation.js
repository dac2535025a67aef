/**
 * The pixels of a picture that are leaf, and which of their parts are leaves.
 *
 * As leaffliction/transformation/discriminant.py and segmentation.py, whose
 * comments say why, with the same numbers.
 *
 * @typedef {object} Segmentation
 * @property {number} width
 * @property {number} height
 * @property {import("./lab.js").Lab} lab
 * @property {number[]} background - L, a and b.
 * @property {Float32Array} logOdds - that a pixel is leaf.
 * @property {Uint8Array} leafPixels - 1 on leaf.
 */

import { gaussianBlur } from "./blur.js";
import { disc, open } from "./morphology.js";
import { boxAround, convexHull, fillOutlines, findOutlines, polygonOutline,
         smallestRectangle } from "./outlines.js";
import { roundToEven } from "./resize.js";

const { fround } = Math;

const FRAME_WIDTH = 0.03;
const MIN_BACKGROUND_SHARE = 0.2;
const INTERCEPT = [-4.87, 2.14, -1.44];
const LINEAR = [[2.49, -3.73], [-23.8, -12.5], [11.4, 9.21]];
const [L_L, A_A, B_B] = [-2.04, 176.0, 64.9];
const [L_A, L_B, A_B] = [-17.8, 12.0, 227.0];
const MIN_YELLOW_LESS_MAGENTA = fround(-0.03);
const MAX_LOG_ODDS = 5;

const OPENINGS_PER_SIDE = 85;
const BLURS_PER_SIDE = 365;
export const MIN_PIECE_SHARE = 0.25;
const MIN_LEAF_SHARE = 0.02;
const MIN_LEAF_AREA = 40;
const MAX_LEAVES = 255;
const MIN_SOLIDITY = 0.6;
const MIN_SOLIDITY_SMALL = 0.75;
const MIN_ASPECT = 0.25;
const MIN_CERTAINTY = 1.0;
const MIN_CERTAINTY_RAGGED = 2.0;
const RAGGED = 0.85;
const MAX_BACKGROUND_LOG_ODDS = -2.2;
const MAX_GAP = 0.2;
const MIN_HULL_FILL = 0.78;
const MIN_SHARED_EDGE = 0.2;
const SHADOW_LOG_ODDS = -3.3;
/** Lengths of steps of OpenCV's distance transform. */
const DIAGONAL = 1.4;
const KNIGHT = 2.1969;

/**
 * Classify each pixel as leaf or background.
 *
 * @param {import("./lab.js").Lab} lab
 * @param {number} [opening] - width of the opening in pixels, odd; as for a
 *   leaf that fills the picture, if missing.
 * @param {Uint8Array} [leaf] - pixels of the frame that are no background.
 * @param {number[]} [background] - where the frame shows too little of it.
 * @returns {Segmentation}
 */
export function segment(lab, opening, leaf, background) {
  const { width, height } = lab;
  const side = Math.max(width, height);
  const colour = backgroundColour(lab, leaf) ?? background;
  const size = opening ?? (Math.floor(side / OPENINGS_PER_SIDE) | 1);
  const deviation = (Math.min(side, (size + 1) * OPENINGS_PER_SIDE)
                     / BLURS_PER_SIDE);
  const logOdds = gaussianBlur(leafLogOdds(lab, colour), width, height,
                               deviation);
  const leafPixels = new Uint8Array(logOdds.length);
  for (let index = 0; index < logOdds.length; index += 1) {
    leafPixels[index] = logOdds[index] > 0 ? 1 : 0;
  }
  return { width, height, lab, background: colour, logOdds,
           leafPixels: size > 1 ? open(leafPixels, width, height, disc(size))
             : leafPixels };
}

function backgroundColour({ width, height, planes }, leaf) {
  let frame = frameIndices(width, height);
  if (leaf) {
    const { length } = frame;
    frame = frame.filter((index) => !leaf[index]);
    if (frame.length < MIN_BACKGROUND_SHARE * length) {
      return null;
    }
  }
  return planes.map((plane) => medianLevel(plane, frame));
}

/** Return where the frame's pixels are, in the order of frame_pixels. */
export function frameIndices(width, height) {
  const frame = Math.max(1, roundToEven(FRAME_WIDTH
                                        * Math.min(width, height)));
  const indices = [];
  const add = (left, right, top, bottom) => {
    for (let y = top; y < bottom; y += 1) {
      for (let x = left; x < right; x += 1) {
        indices.push(y * width + x);
      }
    }
  };
  add(0, width, 0, frame);
  add(0, width, height - frame, height);
  add(0, frame, frame, height - frame);
  add(width - frame, width, frame, height - frame);
  return Int32Array.from(indices);
}

/** Return the median of some values, which are levels of 0..255. */
export function medianLevel(levels, indices) {
  const counts = new Uint32Array(256);
  indices.forEach((index) => { counts[levels[index]] += 1; });
  const at = (rank) => {
    let level = 0;
    for (let sum = counts[0]; sum <= rank; sum += counts[level]) {
      level += 1;
    }
    return level;
  };
  return (at((indices.length - 1) >> 1) + at(indices.length >> 1)) / 2;
}

function leafLogOdds({ planes }, background) {
  const g = background[0] / 100;
  const [byL, byA, byB] = LINEAR.map(
    ([constant, slope]) => constant + slope * g);
  const [by1, byG, byGg] = INTERCEPT;
  const offset = by1 + byG * g + byGg * g * g;
  const [ofL, ofA, ofB] = background.map((middle) => Float32Array.from(
    { length: 256 }, (_, level) => (level - middle) / 100));
  const [lightness, redness, yellowness] = planes;
  const result = new Float32Array(lightness.length);
  for (let index = 0; index < result.length; index += 1) {
    const l = ofL[lightness[index]];
    const a = ofA[redness[index]];
    const b = ofB[yellowness[index]];
    const value = fround(b - a) < MIN_YELLOW_LESS_MAGENTA ? -MAX_LOG_ODDS
      : offset + b * (byB + B_B * b) + a * (byA + A_A * a + A_B * b)
        + l * (byL + L_L * l + L_A * a + L_B * b);
    result[index] = value < -MAX_LOG_ODDS ? -MAX_LOG_ODDS
      : value > MAX_LOG_ODDS ? MAX_LOG_ODDS : value;
  }
  return result;
}

/** Return the outlines of the parts that have an area, the largest first. */
export function partsOf({ leafPixels, width, height }) {
  return findOutlines(leafPixels, width, height)
    .filter(({ area }) => area)
    .sort((one, other) => other.area - one.area);
}

/**
 * Return for each leaf the outlines of its parts, the largest leaf first.
 *
 * @param {import("./outlines.js").Outline[]} parts - the largest first; that
 *   is a leaf in any case.
 * @param {Segmentation} segmentation
 * @returns {import("./outlines.js").Outline[][]}
 */
export function groupParts(parts, segmentation) {
  const leaves = parts.slice(0, 1).map((part) => [part]);
  for (const part of parts.slice(1)) {
    const share = part.area / parts[0].area;
    if (share < MIN_LEAF_SHARE || leaves.length === MAX_LEAVES) {
      break;
    }
    const isSmall = share < MIN_PIECE_SHARE;
    const whole = leaves.find((leaf) => isPiece(part, leaf, segmentation));
    if (!whole) {
      if (isLeaf(part, segmentation, isSmall)) {
        leaves.push([part]);
      }
    } else if (!isSmall) {
      whole.push(part);
    }
  }
  return leaves;
}

function isLeaf(part, { logOdds, width }, isSmall) {
  const hull = convexHull([part]);
  const sides = smallestRectangle(hull);
  const solidity = part.area / polygonOutline(hull).area;
  if (part.area < MIN_LEAF_AREA
      || Math.min(...sides) < MIN_ASPECT * Math.max(...sides)
      || solidity < (isSmall ? MIN_SOLIDITY_SMALL : MIN_SOLIDITY)) {
    return false;
  }
  const box = boxAround([part]);
  const [sum, pixels] = sumIn(fillOutlines([part], box), box, width, logOdds,
                              true);
  return sum / pixels >= (solidity < RAGGED ? MIN_CERTAINTY_RAGGED
    : MIN_CERTAINTY);
}

/**
 * Return the sum of log odds in a mask, which lies in a box, and its pixels.
 */
function sumIn(mask, box, width, logOdds, isAbsolute) {
  let sum = 0;
  let pixels = 0;
  for (let y = 0; y < box.height; y += 1) {
    const offset = (box.y + y) * width + box.x - y * box.width;
    for (let at = y * box.width; at < (y + 1) * box.width; at += 1) {
      if (mask[at]) {
        const value = logOdds[at + offset];
        sum += isAbsolute ? Math.abs(value) : value;
        pixels += 1;
      }
    }
  }
  return [sum, pixels];
}

function isPiece(part, leaf, segmentation) {
  const side = Math.sqrt(part.area);
  if (boxDistance(boxAround([part]), boxAround(leaf)) > side) {
    return false;
  }
  const both = [part, ...leaf];
  const hull = polygonOutline(convexHull(both));
  const gapLogOdds = meanOfGap(hull, both, segmentation);
  if (gapLogOdds > MAX_BACKGROUND_LOG_ODDS) {
    return true;
  }
  const area = both.reduce((sum, outline) => sum + outline.area, 0);
  if (area < MIN_HULL_FILL * hull.area) {
    return false;
  }
  const distances = distancesTo(leaf, part);
  const least = distances.reduce((one, other) => Math.min(one, other));
  if (least > MAX_GAP * side) {
    return false;
  }
  const near = distances.filter(
    (distance) => distance <= 1.2 * least + 0.02 * side);
  return near.length >= MIN_SHARED_EDGE * distances.length
    || gapLogOdds > SHADOW_LOG_ODDS;
}

/** Return the mean log odds between parts, within their hull. */
function meanOfGap(hull, parts, { leafPixels, logOdds, width }) {
  const box = boxAround([hull]);
  const gap = fillOutlines([hull], box);
  const filled = fillOutlines(parts, box);
  for (let y = 0; y < box.height; y += 1) {
    const offset = (box.y + y) * width + box.x - y * box.width;
    for (let at = y * box.width; at < (y + 1) * box.width; at += 1) {
      if (filled[at] || leafPixels[at + offset]) {
        gap[at] = 0;
      }
    }
  }
  const [sum, pixels] = sumIn(gap, box, width, logOdds, false);
  return pixels && sum / pixels;
}

/** Return the larger of the gaps in x and in y between two boxes. */
function boxDistance(one, other) {
  return Math.max(one.x - other.x - other.width,
                  other.x - one.x - one.width,
                  one.y - other.y - other.height,
                  other.y - one.y - one.height);
}

/**
 * Return the distance of each pixel of an outline to the nearest of others:
 * that of OpenCV's distance transform of 5 x 5 pixels (Borgefors 1986), of
 * steps to the side, diagonally and as a knight.
 */
function distancesTo(outlines, { x, y }) {
  const result = new Float64Array(x.length).fill(Infinity);
  for (const other of outlines) {
    for (let from = 0; from < x.length; from += 1) {
      let least = result[from];
      for (let to = 0; to < other.x.length; to += 1) {
        const across = Math.abs(x[from] - other.x[to]);
        const down = Math.abs(y[from] - other.y[to]);
        const long = Math.max(across, down);
        const short = Math.min(across, down);
        const length = 2 * short <= long
          ? long - 2 * short + short * KNIGHT
          : (long - short) * KNIGHT + (2 * short - long) * DIAGONAL;
        least = Math.min(least, length);
      }
      result[from] = least;
    }
  }
  return result;
}
