/**
 * Resizing exactly as OpenCV does it (4.11, modules/imgproc/src/resize.cpp):
 * averaging by area, and bilinear; and bicubic, but for its rounding.
 *
 * Exactly, because the network has 8-bit numbers: where one pixel in a hundred
 * is rounded the other way, probabilities move by up to 0.07.  Hence
 * Math.fround: OpenCV sums in 32-bit floats, and in this order.
 *
 * @typedef {object} Picture
 * @property {number} width
 * @property {number} height
 * @property {Uint8ClampedArray} data - RGBA, row by row, opaque.
 *
 * @typedef {object} Part - of a picture.
 * @property {number} left
 * @property {number} top
 * @property {number} width
 * @property {number} height
 */

const { fround } = Math;
/** Bits after the point of OpenCV's bilinear weights. */
const WEIGHT_BITS = 11;

/**
 * Return a part of a picture, reduced by averaging (INTER_AREA).
 *
 * @param {Picture} picture
 * @param {Part} part - at least as large as the result.
 * @param {number} width - of the result.
 * @param {number} height
 * @returns {Picture}
 */
export function reduceByArea(picture, part, width, height) {
  const across = part.width / width;
  const down = part.height / height;
  return Number.isInteger(across) && Number.isInteger(down)
    ? averageBlocks(picture, part, across, down)
    : averageAreas(picture, part, width, height);
}

function averageAreas(picture, part, width, height) {
  const columns = areaWeights(part.width, width);
  const rows = areaWeights(part.height, height);
  const data = new Uint8ClampedArray(4 * width * height);
  const sums = new Float32Array(3 * width);
  const line = new Float32Array(3 * width);
  rows.forEach(({ first, weights }, y) => {
    sums.fill(0);
    weights.forEach((weight, index) => {
      averageLine(rowOf(picture, part, first + index), columns, line);
      for (let i = 0; i < sums.length; i += 1) {
        sums[i] += fround(weight * line[i]);
      }
    });
    put(sums, data.subarray(4 * y * width));
  });
  return { width, height, data };
}

function averageLine(row, columns, line) {
  for (let x = 0; x < columns.length; x += 1) {
    const { first, weights } = columns[x];
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let index = 0; index < weights.length; index += 1) {
      const from = 4 * (first + index);
      red = fround(red + fround(weights[index] * row[from]));
      green = fround(green + fround(weights[index] * row[from + 1]));
      blue = fround(blue + fround(weights[index] * row[from + 2]));
    }
    line[3 * x] = red;
    line[3 * x + 1] = green;
    line[3 * x + 2] = blue;
  }
}

/** Return which pixels make each pixel of the result, and their weights. */
function areaWeights(length, count) {
  const scale = length / count;
  return Array.from({ length: count }, (_, index) => {
    const start = index * scale;
    const end = start + scale;
    const cell = Math.min(scale, length - start);
    const last = Math.min(Math.floor(end), length - 1);
    const first = Math.min(Math.ceil(start), last);
    const weights = Array(last - first).fill(fround(1 / cell));
    if (end - last > 1e-3) {
      weights.push(fround(Math.min(end - last, 1, cell) / cell));
    }
    const hasHead = first - start > 1e-3;
    if (hasHead) {
      weights.unshift(fround((first - start) / cell));
    }
    return { first: hasHead ? first - 1 : first, weights };
  });
}

/** The same for whole pixels: OpenCV sums these as integers. */
function averageBlocks(picture, part, across, down) {
  const width = part.width / across;
  const height = part.height / down;
  const data = new Uint8ClampedArray(4 * width * height);
  const sums = new Uint32Array(3 * width);
  const scaled = new Float32Array(3 * width);
  const scale = fround(1 / (across * down));
  for (let y = 0; y < height; y += 1) {
    sums.fill(0);
    for (let index = 0; index < down; index += 1) {
      addBlocks(rowOf(picture, part, y * down + index), across, sums);
    }
    for (let i = 0; i < sums.length; i += 1) {
      scaled[i] = across === 2 && down === 2 ? (sums[i] + 2) >> 2
        : sums[i] * scale;
    }
    put(scaled, data.subarray(4 * y * width));
  }
  return { width, height, data };
}

function addBlocks(row, across, sums) {
  for (let to = 0, from = 0; to < sums.length; to += 3) {
    for (let index = 0; index < across; index += 1, from += 4) {
      sums[to] += row[from];
      sums[to + 1] += row[from + 1];
      sums[to + 2] += row[from + 2];
    }
  }
}

/**
 * Return a part of a picture, resized by bilinear interpolation
 * (INTER_LINEAR).
 *
 * @param {Picture} picture
 * @param {Part} part
 * @param {number} width - of the result.
 * @param {number} height
 * @returns {Picture}
 */
export function interpolate(picture, part, width, height) {
  const columns = linearWeights(part.width, width);
  const rows = linearWeights(part.height, height);
  const data = new Uint8ClampedArray(4 * width * height);
  const upper = new Int32Array(3 * width);
  const lower = new Int32Array(3 * width);
  const values = new Int32Array(3 * width);
  rows.forEach(({ first, second, share }, y) => {
    interpolateLine(rowOf(picture, part, first), columns, upper);
    interpolateLine(rowOf(picture, part, second), columns, lower);
    for (let i = 0; i < values.length; i += 1) {
      values[i] = ((((1 << WEIGHT_BITS) - share) * (upper[i] >> 4) >> 16)
                   + (share * (lower[i] >> 4) >> 16) + 2) >> 2;
    }
    put(values, data.subarray(4 * y * width));
  });
  return { width, height, data };
}

function interpolateLine(row, columns, line) {
  columns.forEach(({ first, second, share }, x) => {
    for (let channel = 0; channel < 3; channel += 1) {
      line[3 * x + channel] = (
        ((1 << WEIGHT_BITS) - share) * row[4 * first + channel]
        + share * row[4 * second + channel]);
    }
  });
}

/** Return the two pixels of each pixel of the result, and the second's share.
 */
function linearWeights(length, count) {
  const scale = length / count;
  return Array.from({ length: count }, (_, index) => {
    const position = fround((index + 0.5) * scale - 0.5);
    const first = Math.floor(position);
    const share = roundToEven(fround(fround(position - first)
                                     * (1 << WEIGHT_BITS)));
    const inside = (pixel) => Math.min(Math.max(pixel, 0), length - 1);
    return { first: inside(first), second: inside(first + 1), share };
  });
}

function rowOf(picture, { left, top, width }, y) {
  const start = 4 * ((top + y) * picture.width + left);
  return picture.data.subarray(start, start + 4 * width);
}

/** A Uint8ClampedArray rounds halves to even, as OpenCV does. */
function put(values, data) {
  for (let from = 0, to = 0; from < values.length; from += 3, to += 4) {
    data[to] = values[from];
    data[to + 1] = values[from + 1];
    data[to + 2] = values[from + 2];
    data[to + 3] = 255;
  }
}

/**
 * Return the whole picture, its longer side at most `longest` pixels.
 *
 * @param {Picture} picture
 * @param {number} longest
 * @returns {Picture}
 */
export function shrink(picture, longest) {
  const { width, height } = picture;
  const scale = longest / Math.max(width, height);
  return scale >= 1 ? picture : reduceByArea(
    picture, { left: 0, top: 0, width, height },
    Math.max(1, roundToEven(width * scale)),
    Math.max(1, roundToEven(height * scale)));
}

/** Round as Python does: halves to the even number. */
export function roundToEven(value) {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

/**
 * Return a part of a picture, enlarged by bicubic interpolation
 * (INTER_CUBIC).
 *
 * @param {Picture} picture
 * @param {Part} part
 * @param {number} width - of the result.
 * @param {number} height
 * @returns {Picture}
 */
export function interpolateCubic(picture, part, width, height) {
  const columns = cubicWeights(part.width, width);
  const rows = cubicWeights(part.height, height);
  const lines = Array.from({ length: part.height }, (_, y) => {
    const row = rowOf(picture, part, y);
    const line = new Int32Array(3 * width);
    columns.forEach(({ indices, weights }, x) => {
      for (let channel = 0; channel < 3; channel += 1) {
        line[3 * x + channel] = (
          weights[0] * row[4 * indices[0] + channel]
          + weights[1] * row[4 * indices[1] + channel]
          + weights[2] * row[4 * indices[2] + channel]
          + weights[3] * row[4 * indices[3] + channel]);
      }
    });
    return line;
  });
  const data = new Uint8ClampedArray(4 * width * height);
  const values = new Float64Array(3 * width);
  rows.forEach(({ indices, weights }, y) => {
    const [first, second, third, fourth] = indices.map(
      (index) => lines[index]);
    for (let i = 0; i < values.length; i += 1) {
      values[i] = (weights[0] * first[i] + weights[1] * second[i]
                   + weights[2] * third[i] + weights[3] * fourth[i])
        / (1 << 2 * WEIGHT_BITS);
    }
    put(values, data.subarray(4 * y * width));
  });
  return { width, height, data };
}

/** Return four pixels for each pixel of the result, and their weights. */
function cubicWeights(length, count) {
  const scale = length / count;
  const a = -0.75;
  const outer = (x) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  const inner = (x) => ((a + 2) * x - (a + 3)) * x * x + 1;
  return Array.from({ length: count }, (_, index) => {
    const position = fround((index + 0.5) * scale - 0.5);
    const first = Math.floor(position);
    const x = position - first;
    const weights = [outer(x + 1), inner(x), inner(1 - x)];
    weights.push(1 - weights[0] - weights[1] - weights[2]);
    return {
      indices: [-1, 0, 1, 2].map((offset) => Math.min(
        Math.max(first + offset, 0), length - 1)),
      weights: weights.map((weight) => roundToEven(
        weight * (1 << WEIGHT_BITS))) };
  });
}

/**
 * Return a mask reduced by averaging: 255 where the mask is 1.
 *
 * @param {Uint8Array} mask - of 0 and 1.
 * @param {{width: number, height: number}} from - the mask's size.
 * @param {number} width - of the result.
 * @param {number} height
 * @returns {Float32Array} not rounded.
 */
export function reduceMask(mask, from, width, height) {
  const columns = areaWeights(from.width, width);
  const rows = areaWeights(from.height, height);
  const result = new Float32Array(width * height);
  const line = new Float32Array(width);
  rows.forEach(({ first, weights }, y) => {
    const sums = result.subarray(y * width, (y + 1) * width);
    weights.forEach((weight, index) => {
      const start = (first + index) * from.width;
      for (let x = 0; x < width; x += 1) {
        const column = columns[x];
        let sum = 0;
        for (let i = 0; i < column.weights.length; i += 1) {
          sum += column.weights[i] * mask[start + column.first + i];
        }
        line[x] = 255 * sum;
      }
      for (let x = 0; x < width; x += 1) {
        sums[x] += weight * line[x];
      }
    });
  });
  return result;
}

/**
 * Return a mask resized by bilinear interpolation: 255 where the mask is 1.
 *
 * @param {Uint8Array} mask - of 0 and 1.
 * @param {{width: number, height: number}} from - the mask's size.
 * @param {number} width - of the result.
 * @param {number} height
 * @returns {Uint8Array}
 */
export function enlargeMask(mask, from, width, height) {
  const columns = linearWeights(from.width, width);
  const rows = linearWeights(from.height, height);
  const one = 1 << WEIGHT_BITS;
  const empty = new Int32Array(width);
  const lines = Array.from({ length: from.height }, (_, y) => {
    const start = y * from.width;
    if (!mask.subarray(start, start + from.width).includes(1)) {
      return empty;
    }
    const line = new Int32Array(width);
    for (let x = 0; x < width; x += 1) {
      const { first, second, share } = columns[x];
      line[x] = 255 * ((one - share) * mask[start + first]
                       + share * mask[start + second]);
    }
    return line;
  });
  const result = new Uint8Array(width * height);
  rows.forEach(({ first, second, share }, y) => {
    const upper = lines[first];
    const lower = lines[second];
    if (upper === empty && lower === empty) {
      return;
    }
    for (let x = 0; x < width; x += 1) {
      result[y * width + x] = (((one - share) * (upper[x] >> 4) >> 16)
                               + (share * (lower[x] >> 4) >> 16) + 2) >> 2;
    }
  });
  return result;
}
