/**
 * Operations on masks, as OpenCV's: a mask is a Uint8Array of 0 and 1, row by
 * row.
 */

/**
 * Return the half widths of the rows of a round kernel (MORPH_ELLIPSE).
 *
 * @param {number} side - odd.
 * @returns {number[]}
 */
export function disc(side) {
  const radius = side >> 1;
  return Array.from({ length: side }, (_, row) => {
    const above = row - radius;
    return Math.round(Math.sqrt(radius * radius - above * above));
  });
}

/** Return the half widths of a square kernel of 3 x 3 pixels. */
export const SQUARE = [1, 1, 1];

/** Erode by a kernel; beyond the image is mask. */
export function erode(mask, width, height, kernel) {
  return sweep(mask, width, height, kernel, 0);
}

/** Dilate by a kernel; beyond the image is no mask. */
export function dilate(mask, width, height, kernel) {
  return sweep(mask, width, height, kernel, 1);
}

/** Remove all that is narrower than a kernel. */
export function open(mask, width, height, kernel) {
  return dilate(erode(mask, width, height, kernel), width, height, kernel);
}

/** Spread the pixels of a value, 0 or 1, over the kernel around them. */
function sweep(mask, width, height, kernel, value) {
  const radius = kernel.length >> 1;
  // Four pixels at once: a row is a whole number of 32 bits.
  const words = Math.ceil(width / 4);
  const result = new Uint32Array(words * height).fill(value ? 0 : ~0);
  const spread = new Map(kernel.map((reach) => [reach, null]));
  for (const reach of spread.keys()) {
    spread.set(reach, new Uint32Array(
      spreadRows(mask, width, height, reach, value, 4 * words).buffer));
  }
  kernel.forEach((reach, row) => {
    const rows = spread.get(reach);
    const offset = (row - radius) * words;
    const start = Math.max(0, offset);
    const end = Math.min(result.length, result.length + offset);
    if (value) {
      for (let index = start; index < end; index += 1) {
        result[index] |= rows[index - offset];
      }
    } else {
      for (let index = start; index < end; index += 1) {
        result[index] &= rows[index - offset];
      }
    }
  });
  const pixels = new Uint8Array(result.buffer);
  return 4 * words === width ? pixels
    : crop(pixels, 4 * words, { x: 0, y: 0, width, height });
}

/** Spread a value along rows, into rows of `stride` pixels. */
function spreadRows(mask, width, height, reach, value, stride) {
  const result = new Uint8Array(stride * height).fill(1 - value);
  for (let y = 0; y < height; y += 1) {
    const row = mask.subarray(y * width, (y + 1) * width);
    const spread = result.subarray(y * stride, y * stride + width);
    let start = row.indexOf(value);
    while (start >= 0) {
      const other = row.indexOf(1 - value, start);
      const end = other < 0 ? width : other;
      spread.fill(value, Math.max(0, start - reach), end + reach);
      start = other < 0 ? -1 : row.indexOf(value, end);
    }
  }
  return result;
}

/**
 * Number the connected parts of a mask.
 *
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {boolean} [diagonal] - whether corners connect.
 * @returns {{labels: Int32Array, areas: number[]}} 0 is no part; areas[0] is
 *   0.
 */
export function connectedParts(mask, width, diagonal = true) {
  const labels = new Int32Array(mask.length);
  const areas = [0];
  const stack = [];
  const visit = (index) => {
    if (mask[index] && !labels[index]) {
      labels[index] = areas.length;
      stack.push(index);
    }
  };
  for (let first = 0; first < mask.length; first += 1) {
    if (!mask[first] || labels[first]) {
      continue;
    }
    let area = 0;
    visit(first);
    while (stack.length) {
      const index = stack.pop();
      area += 1;
      const x = index % width;
      for (let side = x ? -1 : 0; side <= (x < width - 1 ? 1 : 0);
        side += 1) {
        if (diagonal || !side) {
          visit(index - width + side);
          visit(index + width + side);
        }
        if (side) {
          visit(index + side);
        }
      }
    }
    areas.push(area);
  }
  return { labels, areas };
}

/** Return the number of pixels of a mask. */
export function count(mask) {
  let sum = 0;
  for (let index = 0; index < mask.length; index += 1) {
    sum += mask[index];
  }
  return sum;
}

/**
 * Return the smallest box around a mask.
 *
 * @returns {{x: number, y: number, width: number, height: number}} width and
 *   height are 0 where the mask is empty.
 */
export function boxOf(mask, width, height) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y += 1) {
    const row = mask.subarray(y * width, (y + 1) * width);
    const first = row.indexOf(1);
    if (first >= 0) {
      left = Math.min(left, first);
      right = Math.max(right, row.lastIndexOf(1));
      top = Math.min(top, y);
      bottom = y;
    }
  }
  return right < 0 ? { x: 0, y: 0, width: 0, height: 0 }
    : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** Return the part of a mask, or of other values, in a box. */
export function crop(values, width, box) {
  const result = new values.constructor(box.width * box.height);
  for (let y = 0; y < box.height; y += 1) {
    const start = (box.y + y) * width + box.x;
    result.set(values.subarray(start, start + box.width), y * box.width);
  }
  return result;
}
