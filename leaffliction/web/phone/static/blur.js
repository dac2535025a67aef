/** Gaussian blur of 32-bit floats, as OpenCV's. */

import { roundToEven } from "./resize.js";

/**
 * Return values blurred; beyond an edge they are mirrored
 * (BORDER_REFLECT_101).
 *
 * @param {Float32Array} values - row by row.
 * @param {number} width
 * @param {number} height
 * @param {number} deviation - standard deviation in pixels.
 * @returns {Float32Array}
 */
export function gaussianBlur(values, width, height, deviation) {
  const weights = weightsOf(deviation);
  return blurColumns(blurRows(values, width, height, weights), width, height,
                     weights);
}

/** Return the weights from the middle on; all together sum to 1. */
function weightsOf(deviation) {
  const radius = (roundToEven(8 * deviation + 1) | 1) >> 1;
  const weights = Array.from({ length: radius + 1 }, (_, distance) => (
    Math.exp(-distance * distance / (2 * deviation * deviation))));
  const sum = 2 * weights.reduce((one, other) => one + other) - weights[0];
  return Float32Array.from(weights, (weight) => weight / sum);
}

function blurRows(values, width, height, weights) {
  const radius = weights.length - 1;
  const result = new Float32Array(values.length);
  const line = new Float32Array(width + 2 * radius);
  for (let start = 0; start < values.length; start += width) {
    line.set(values.subarray(start, start + width), radius);
    for (let beyond = 1; beyond <= radius; beyond += 1) {
      line[radius - beyond] = values[start + mirror(-beyond, width)];
      line[radius + width - 1 + beyond] = values[
        start + mirror(width - 1 + beyond, width)];
    }
    for (let x = 0; x < width; x += 1) {
      let sum = weights[0] * line[x + radius];
      for (let distance = 1; distance <= radius; distance += 1) {
        sum += weights[distance] * (line[x + radius - distance]
                                    + line[x + radius + distance]);
      }
      result[start + x] = sum;
    }
  }
  return result;
}

function blurColumns(values, width, height, weights) {
  const result = new Float32Array(values.length);
  const rowAt = (y) => {
    const start = mirror(y, height) * width;
    return values.subarray(start, start + width);
  };
  for (let y = 0; y < height; y += 1) {
    const sums = result.subarray(y * width, (y + 1) * width);
    const middle = rowAt(y);
    for (let x = 0; x < width; x += 1) {
      sums[x] = weights[0] * middle[x];
    }
    for (let distance = 1; distance < weights.length; distance += 1) {
      const above = rowAt(y - distance);
      const below = rowAt(y + distance);
      const weight = weights[distance];
      for (let x = 0; x < width; x += 1) {
        sums[x] += weight * (above[x] + below[x]);
      }
    }
  }
  return result;
}

/** Return the index inside a line that is mirrored at its ends. */
export function mirror(index, length) {
  const last = length - 1;
  let inside = Math.abs(index);
  while (inside > last) {
    inside = last && Math.abs(2 * last - inside);
  }
  return inside;
}
