/** Small copies of pictures: a page of 2,000 photographs holds no others. */

/** Longer side of a row's picture, pixels. */
export const THUMBNAIL = 400;

/**
 * Return a picture as a small JPEG.
 *
 * @param {Blob} picture - in any format that the browser reads.
 * @param {number} longest - pixels of the longer side, at most.
 * @returns {Promise<Blob>} rejects where the browser cannot read it.
 */
export async function shrink(picture, longest) {
  const bitmap = await createImageBitmap(picture);
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(bitmap.width * scale)),
    Math.max(1, Math.round(bitmap.height * scale)));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
}

/**
 * Return a picture as a data URL.
 *
 * @param {Blob} picture
 * @returns {Promise<string>}
 */
export function dataUrl(picture) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(picture);
  });
}
