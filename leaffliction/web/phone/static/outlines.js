/**
 * Outlines of the connected parts of a mask, and their geometry, as OpenCV's.
 *
 * @typedef {object} Outline
 * @property {Int32Array} x - of its pixels, in order.
 * @property {Int32Array} y
 * @property {number} area - of the polygon of these (contourArea).
 *
 * @typedef {object} Box
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 */

const STEP_X = [1, 1, 0, -1, -1, -1, 0, 1];
const STEP_Y = [0, -1, -1, -1, 0, 1, 1, 1];
/** Marks of pixels on an outline; to the right of an EXIT is no mask. */
const BORDER = 2;
const EXIT = -2;

/**
 * Return the outer outlines of the parts (Suzuki 1985), those below first.
 *
 * @param {Uint8Array} mask - 0 and 1.
 * @param {number} width
 * @param {number} height
 * @returns {Outline[]}
 */
export function findOutlines(mask, width, height) {
  const stride = width + 2;
  const marks = new Int8Array(stride * (height + 2));
  for (let y = 0; y < height; y += 1) {
    marks.set(mask.subarray(y * width, (y + 1) * width),
              (y + 1) * stride + 1);
  }
  const outlines = [];
  for (let y = 1; y <= height; y += 1) {
    let isInside = false;
    let previous = 0;
    for (let at = y * stride + 1; at < (y + 1) * stride; at += 1) {
      if (marks[at] === 1 && previous === 0 && !isInside) {
        outlines.push(follow(marks, stride, at));
      }
      previous = marks[at];
      if (previous === BORDER) {
        isInside = true;
      } else if (previous === EXIT) {
        isInside = false;
      }
    }
  }
  return outlines.reverse();
}

/** Follow an outline from its first pixel, and mark it. */
function follow(marks, stride, start) {
  const steps = STEP_X.map((step, index) => step + STEP_Y[index] * stride);
  const points = [];
  let direction = 4;
  do {
    direction = (direction - 1) & 7;
  } while (!marks[start + steps[direction]] && direction !== 4);
  if (direction === 4) {
    marks[start] = EXIT;
    return outlineOf([start], stride);
  }
  const last = start + steps[direction];
  let at = start;
  for (;;) {
    const end = direction;
    let next = at;
    do {
      direction += 1;
      next = at + steps[direction & 7];
    } while (!marks[next] && direction < 15);
    direction &= 7;
    if (direction > 0 && direction - 1 < end) {
      marks[at] = EXIT;
    } else if (marks[at] === 1) {
      marks[at] = BORDER;
    }
    points.push(at);
    if (next === start && at === last) {
      return outlineOf(points, stride);
    }
    at = next;
    direction = (direction + 4) & 7;
  }
}

function outlineOf(points, stride) {
  const x = Int32Array.from(points, (point) => point % stride - 1);
  const y = Int32Array.from(points, (point) => Math.floor(point / stride) - 1);
  return { x, y, area: areaOf(x, y) };
}

function areaOf(x, y) {
  let sum = 0;
  for (let index = 0, before = x.length - 1; index < x.length;
    before = index, index += 1) {
    sum += x[before] * y[index] - x[index] * y[before];
  }
  return Math.abs(sum) / 2;
}

/** Return the smallest box around outlines. */
export function boxAround(outlines) {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  for (const { x, y } of outlines) {
    for (let index = 0; index < x.length; index += 1) {
      left = Math.min(left, x[index]);
      right = Math.max(right, x[index]);
      top = Math.min(top, y[index]);
      bottom = Math.max(bottom, y[index]);
    }
  }
  return { x: left, y: top, width: right - left + 1,
           height: bottom - top + 1 };
}

/**
 * Return 1 on and inside outlines, 0 elsewhere in a box around them.
 *
 * @param {Outline[]} outlines - of which each pixel touches the next.
 * @param {Box} box
 * @returns {Uint8Array}
 */
export function fillOutlines(outlines, box) {
  const { width, height } = box;
  const mask = new Uint8Array(width * height);
  // Where a row crosses an outline; right of it is inside, up to the next.
  for (const { x, y } of outlines) {
    for (let index = 0, before = x.length - 1; index < x.length;
      before = index, index += 1) {
      if (y[index] !== y[before]) {
        const upper = y[index] < y[before] ? index : before;
        mask[(y[upper] - box.y) * width + x[upper] - box.x] ^= 1;
      }
    }
  }
  for (let start = 0; start < mask.length; start += width) {
    let isInside = 0;
    for (let at = start; at < start + width; at += 1) {
      isInside ^= mask[at];
      mask[at] = isInside;
    }
  }
  for (const { x, y } of outlines) {
    for (let index = 0; index < x.length; index += 1) {
      mask[(y[index] - box.y) * width + x[index] - box.x] = 1;
    }
  }
  return mask;
}

/** Return the convex hull's corners, [x, y], of outlines (Andrew 1979). */
export function convexHull(outlines) {
  const points = outlines.flatMap(({ x, y }) => Array.from(
    x, (value, index) => [value, y[index]]));
  points.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  const half = (ordered) => {
    const chain = [];
    for (const point of ordered) {
      while (chain.length > 1 && turn(chain.at(-2), chain.at(-1),
                                      point) <= 0) {
        chain.pop();
      }
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return points.length < 2 ? points
    : [...half(points), ...half(points.reverse())];
}

function turn([x, y], [firstX, firstY], [secondX, secondY]) {
  return (firstX - x) * (secondY - y) - (firstY - y) * (secondX - x);
}

/** Return the outline of a polygon, each pixel of which touches the next. */
export function polygonOutline(corners) {
  const x = [];
  const y = [];
  corners.forEach(([startX, startY], index) => {
    const [endX, endY] = corners[(index + 1) % corners.length];
    const steps = Math.max(Math.abs(endX - startX), Math.abs(endY - startY));
    for (let step = 0; step < steps; step += 1) {
      x.push(Math.round(startX + (endX - startX) * step / steps));
      y.push(Math.round(startY + (endY - startY) * step / steps));
    }
  });
  return { x: Int32Array.from(x), y: Int32Array.from(y),
           area: areaOf(corners.map(([value]) => value),
                        corners.map(([, value]) => value)) };
}

/** Return the sides of the smallest rectangle around a hull (minAreaRect). */
export function smallestRectangle(hull) {
  let best = [0, 0];
  let least = Infinity;
  hull.forEach(([x, y], index) => {
    const [nextX, nextY] = hull[(index + 1) % hull.length];
    const length = Math.hypot(nextX - x, nextY - y) || 1;
    const [alongX, alongY] = [(nextX - x) / length, (nextY - y) / length];
    const along = hull.map(([px, py]) => px * alongX + py * alongY);
    const across = hull.map(([px, py]) => py * alongX - px * alongY);
    const sides = [along, across].map(
      (values) => Math.max(...values) - Math.min(...values));
    if (sides[0] * sides[1] < least) {
      least = sides[0] * sides[1];
      best = sides;
    }
  });
  return best;
}
