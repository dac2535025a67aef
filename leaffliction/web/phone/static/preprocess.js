/**
 * From the file of a photograph to the inputs of the network.
 *
 * The same steps, with the same numbers, as leaffliction/utils/images.py and
 * leaffliction/model/classifier.py; benchmarks/phone.py compares the results.
 */

import { interpolate, reduceByArea, roundToEven } from "./resize.js";

/** Sides that a reduced photograph keeps, times the network's input size. */
const OVERSAMPLING = 2.5;
/** Sides of the centre crop of test-time augmentation, as a fraction. */
const TTA_CROP = 0.8;
/** Rows that are read at once: a copy of 12 megapixels takes 48 MB. */
const STRIP = 256;
/** The network's number for each level, in 32-bit floats as in Python. */
const SCALED = Float32Array.from(
  { length: 256 }, (_, level) => Math.fround(level / 127.5) - 1);

/**
 * Return a photograph, upright, in sRGB, over white.
 *
 * A large JPEG is reduced to a half or a quarter of its size: both sides keep
 * at least OVERSAMPLING * size pixels.
 *
 * @param {Blob} file
 * @param {number} size - side of the network's input.
 * @returns {Promise<import("./resize.js").Picture>} rejects where the browser
 *   cannot read the file.
 */
export async function readPhotograph(file, size) {
  const bitmap = await createImageBitmap(file, {
    imageOrientation: "from-image" });
  try {
    const factor = await isJpeg(file)
      ? factorFor(bitmap, Math.ceil(OVERSAMPLING * size)) : 1;
    return reduce(bitmap, factor);
  } finally {
    bitmap.close();
  }
}

async function isJpeg(file) {
  const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return head[0] === 0xff && head[1] === 0xd8;
}

/** Return 4, 2 or 1, by which both sides may be divided and keep `side`. */
function factorFor({ width, height }, side) {
  const shorter = Math.min(width, height);
  return [4, 2].find((factor) => shorter >= factor * side) ?? 1;
}

/** Return a bitmap with each square of factor x factor pixels averaged. */
function reduce(bitmap, factor) {
  const width = Math.ceil(bitmap.width / factor);
  const height = Math.ceil(bitmap.height / factor);
  const data = new Uint8ClampedArray(4 * width * height);
  const canvas = new OffscreenCanvas(bitmap.width, STRIP);
  const context = canvas.getContext("2d", { willReadFrequently: true,
                                            colorSpace: "srgb" });
  for (let top = 0; top < bitmap.height; top += STRIP) {
    const rows = Math.min(STRIP, bitmap.height - top);
    context.fillStyle = "white";
    context.fillRect(0, 0, bitmap.width, rows);
    context.drawImage(bitmap, 0, top, bitmap.width, rows,
                      0, 0, bitmap.width, rows);
    const strip = context.getImageData(0, 0, bitmap.width, rows).data;
    const target = data.subarray(4 * width * (top / factor));
    if (factor === 1) {
      target.set(strip);
    } else {
      averageSquares(strip, bitmap.width, rows, factor, target, width);
    }
  }
  return { width, height, data };
}

function averageSquares(strip, length, rows, factor, target, width) {
  const sums = new Uint32Array(4 * width);
  for (let top = 0; top < rows; top += factor) {
    const bottom = Math.min(top + factor, rows);
    sums.fill(0);
    for (let y = top; y < bottom; y += 1) {
      let from = 4 * y * length;
      for (let to = 0; to < sums.length; to += 4) {
        const end = Math.min(from + 4 * factor, 4 * (y + 1) * length);
        let red = 0;
        let green = 0;
        let blue = 0;
        for (; from < end; from += 4) {
          red += strip[from];
          green += strip[from + 1];
          blue += strip[from + 2];
        }
        sums[to] += red;
        sums[to + 1] += green;
        sums[to + 2] += blue;
      }
    }
    for (let x = 0; x < width; x += 1) {
      const columns = Math.min(factor, length - x * factor);
      const count = columns * (bottom - top);
      const to = 4 * ((top / factor) * width + x);
      for (let channel = 0; channel < 3; channel += 1) {
        target[to + channel] = sums[4 * x + channel] / count;
      }
      target[to + 3] = 255;
    }
  }
}

/** Return the whole of a picture, as a part of it. */
export function wholeOf({ width, height }) {
  return { left: 0, top: 0, width, height };
}

/** Return the centre of a picture, for test-time augmentation. */
export function centreOf({ width, height }) {
  const left = roundToEven(width * (1 - TTA_CROP) / 2);
  const top = roundToEven(height * (1 - TTA_CROP) / 2);
  return { left, top, width: width - 2 * left, height: height - 2 * top };
}

/**
 * Return the network's input for a part of a picture.
 *
 * @param {import("./resize.js").Picture} picture
 * @param {object} part - as of wholeOf.
 * @param {number} size
 * @returns {Float32Array} (size, size, 3), in [-1, 1].
 */
export function networkInput(picture, part, size) {
  const shrinks = Math.min(part.width, part.height) > size;
  const { data } = (shrinks ? reduceByArea : interpolate)(
    picture, part, size, size);
  const input = new Float32Array(3 * size * size);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    input[to] = SCALED[data[from]];
    input[to + 1] = SCALED[data[from + 1]];
    input[to + 2] = SCALED[data[from + 2]];
  }
  return input;
}

/** Return the network's input for the mirror image. */
export function mirrored(input, size) {
  const result = new Float32Array(input.length);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      const from = 3 * (y * size + x);
      const to = 3 * (y * size + size - 1 - x);
      result.set(input.subarray(from, from + 3), to);
    }
  }
  return result;
}
