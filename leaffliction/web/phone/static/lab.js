/**
 * CIE Lab as OpenCV gives it for 8 bits (4.11, color_lab.cpp): integers in
 * 0..255, from tables.  Of a million random colours, a differs from OpenCV's
 * for 61, and b for 44.
 *
 * @typedef {object} Lab
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array[]} planes - L, a and b, row by row.
 */

const GAMMA_BITS = 3;
const COLOUR_BITS = 12;
const ROOT_BITS = COLOUR_BITS + GAMMA_BITS;
/** Of red, green and blue, for X, Y and Z over the white of D65. */
const TO_XYZ = [
  [0.412453 / 0.950456, 0.357580 / 0.950456, 0.180423 / 0.950456],
  [0.212671, 0.715160, 0.072169],
  [0.019334 / 1.088754, 0.119193 / 1.088754, 0.950227 / 1.088754]].map(
  (row) => row.map((value) => Math.round(value * (1 << COLOUR_BITS))));
const LIGHTNESS = Math.trunc((116 * 255 + 50) / 100);
const LIGHTNESS_SHIFT = -Math.trunc((16 * 255 * (1 << ROOT_BITS) + 50) / 100);

const LINEAR = Uint16Array.from({ length: 256 }, (_, level) => {
  const value = level / 255;
  return Math.round((255 << GAMMA_BITS) * (
    value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
});
const ROOTS = Uint16Array.from(
  { length: (256 * 3 / 2) << GAMMA_BITS }, (_, index) => {
    const value = index / (255 << GAMMA_BITS);
    return Math.round((1 << ROOT_BITS) * (
      value < 0.008856 ? value * 7.787 + 16 / 116 : Math.cbrt(value)));
  });

/**
 * @param {import("./resize.js").Picture} picture
 * @returns {Lab}
 */
export function toLab({ width, height, data }) {
  const planes = [0, 1, 2].map(() => new Uint8Array(width * height));
  const [lightness, redness, yellowness] = planes;
  const [[xr, xg, xb], [yr, yg, yb], [zr, zg, zb]] = TO_XYZ;
  const half = 1 << (COLOUR_BITS - 1);
  const rootHalf = 1 << (ROOT_BITS - 1);
  for (let index = 0, from = 0; index < lightness.length;
    index += 1, from += 4) {
    const red = LINEAR[data[from]];
    const green = LINEAR[data[from + 1]];
    const blue = LINEAR[data[from + 2]];
    const x = ROOTS[(red * xr + green * xg + blue * xb + half)
                    >> COLOUR_BITS];
    const y = ROOTS[(red * yr + green * yg + blue * yb + half)
                    >> COLOUR_BITS];
    const z = ROOTS[(red * zr + green * zg + blue * zb + half)
                    >> COLOUR_BITS];
    lightness[index] = (LIGHTNESS * y + LIGHTNESS_SHIFT + rootHalf)
      >> ROOT_BITS;
    redness[index] = (500 * (x - y) + (128 << ROOT_BITS) + rootHalf)
      >> ROOT_BITS;
    yellowness[index] = (200 * (y - z) + (128 << ROOT_BITS) + rootHalf)
      >> ROOT_BITS;
  }
  return { width, height, planes };
}
