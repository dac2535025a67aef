/**
 * The class map: which regions of a photograph speak for its class.
 *
 * As overlay_class_map of leaffliction/prediction/leaf_views.py.
 */

const OPACITY = 0.45;

/**
 * Return the grey picture under the map of a class.
 *
 * @param {import("./resize.js").Picture} picture
 * @param {Float32Array} maps - (side, side, classes).
 * @param {number} chosen - index of the class.
 * @param {number} count - of classes.
 * @param {number[][]} colours - 256, [red, green, blue].
 * @returns {import("./resize.js").Picture}
 */
export function overlayClassMap(picture, maps, chosen, count, colours) {
  const { width, height } = picture;
  const levels = enlarge(evidence(maps, chosen, count), width, height);
  const data = new Uint8ClampedArray(picture.data.length);
  for (let pixel = 0; pixel < levels.length; pixel += 1) {
    const from = 4 * pixel;
    const grey = (0.299 * picture.data[from] + 0.587 * picture.data[from + 1]
                  + 0.114 * picture.data[from + 2]);
    const level = Math.min(Math.max(levels[pixel], 0), 1);
    const colour = colours[Math.floor(255 * level)];
    for (let channel = 0; channel < 3; channel += 1) {
      data[from + channel] = (OPACITY * colour[channel]
                              + (1 - OPACITY) * grey);
    }
    data[from + 3] = 255;
  }
  return { width, height, data };
}

/** Return the map of a class minus the mean of the others, scaled to 0..1. */
function evidence(maps, chosen, count) {
  const values = [];
  for (let start = 0; start < maps.length; start += count) {
    const all = maps.subarray(start, start + count);
    const others = all.reduce((sum, value) => sum + value, 0) - all[chosen];
    values.push(all[chosen] - others / Math.max(1, count - 1));
  }
  const low = Math.min(...values);
  const range = Math.max(Math.max(...values) - low, 1e-9);
  return values.map((value) => (value - low) / range);
}

/** Return a square map, enlarged by bicubic interpolation. */
function enlarge(values, width, height) {
  const side = Math.round(Math.sqrt(values.length));
  const columns = cubicWeights(side, width);
  const rows = cubicWeights(side, height);
  const wide = new Float32Array(side * width);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < width; x += 1) {
      wide[y * width + x] = columns[x].reduce(
        (sum, [from, weight]) => sum + weight * values[y * side + from], 0);
    }
  }
  const result = new Float32Array(width * height);
  for (let y = 0; y < height; y += 1) {
    for (const [from, weight] of rows[y]) {
      for (let x = 0; x < width; x += 1) {
        result[y * width + x] += weight * wide[from * width + x];
      }
    }
  }
  return result;
}

/** Return four [index, weight] for each of `count` pixels (Keys 1981). */
function cubicWeights(length, count) {
  return Array.from({ length: count }, (_, index) => {
    const position = (index + 0.5) * length / count - 0.5;
    const first = Math.floor(position);
    return [-1, 0, 1, 2].map((offset) => [
      Math.min(Math.max(first + offset, 0), length - 1),
      cubic(Math.abs(first + offset - position))]);
  });
}

/** OpenCV's kernel: a = -0.75. */
function cubic(distance) {
  const a = -0.75;
  return distance <= 1
    ? ((a + 2) * distance - (a + 3)) * distance * distance + 1
    : ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a;
}
