/** Everything between the file of a photograph and its answer. */

import { overlayClassMap } from "./class_map.js";
import { predict } from "./classifier.js";
import { findHints } from "./hints.js";
import { leafViews } from "./leaf_views.js";
import { centreOf, mirrored, networkInput, readPhotograph,
         wholeOf } from "./preprocess.js";
import { shrink } from "./resize.js";
import { loadNetwork } from "./runtime.js";

/** Of a view: longer side in pixels, as leaf_views.py, and quality, as
 * prediction_json.py. */
const LONGEST = 800;
const QUALITY = 0.85;

export class UnreadableError extends Error {}

/**
 * Load the model, and return the function that answers for a photograph.
 *
 * @param {URL} folder - with model.json, model.tflite and ood.bin.
 * @returns {Promise<function(Blob): Promise<import("../engine.js").Answer>>}
 */
export async function loadPredictor(folder) {
  const { model, content } = await loadModel(folder);
  const network = await loadNetwork(content, model.size);
  return (file) => answer(model, network, file);
}

async function loadModel(folder) {
  const load = async (name) => {
    const response = await fetch(new URL(name, folder));
    if (!response.ok) {
      throw new Error(`${name}: ${response.status}`);
    }
    return response;
  };
  const [description, content, values] = await Promise.all([
    load("model.json").then((response) => response.json()),
    load("model.tflite").then((response) => response.arrayBuffer()),
    load("ood.bin").then((response) => response.arrayBuffer())]);
  const arrays = Object.fromEntries(Object.entries(description.arrays).map(
    ([name, [start, length]]) => [name, new Float32Array(values, start,
                                                         length)]));
  return { model: { ...description, arrays },
           content: new Uint8Array(content) };
}

async function answer(model, network, file) {
  const picture = await readPhotograph(file, model.size).catch(() => {
    throw new UnreadableError();
  });
  const { prediction, outputs } = await predictPicture(model, network,
                                                       picture);
  const { known, oodScore, probabilities } = prediction;
  const order = [...probabilities.keys()].sort(
    (one, other) => probabilities[other] - probabilities[one]);
  const photograph = shrink(picture, LONGEST);
  const found = leafViews(photograph);
  return {
    known, ood_score: oodScore,
    classes: order.map((index) => ({ name: model.class_names[index],
                                     probability: probabilities[index] })),
    hints: findHints(picture, known, model.plants),
    lesions: found && found.summary,
    views: await encode({
      photograph, ...found?.pictures,
      class_map: overlayClassMap(photograph, outputs.class_maps, order[0],
                                 model.class_names.length, model.colours) })
  };
}

/**
 * Predict a picture, with test-time augmentation where it is unsure.
 *
 * @param {import("./classifier.js").Model} model
 * @param {function} network - as of loadNetwork.
 * @param {import("./resize.js").Picture} picture
 * @returns {Promise<object>} prediction, as of classifier.js, and outputs of
 *   the network for the whole picture.
 */
async function predictPicture(model, network, picture) {
  const { size } = model;
  const whole = networkInput(picture, wholeOf(picture), size);
  const outputs = await network(whole);
  const prediction = await predict(model, outputs, async () => {
    const centre = networkInput(picture, centreOf(picture), size);
    const logits = [];
    for (const input of [mirrored(whole, size), centre,
                         mirrored(centre, size)]) {
      logits.push((await network(input)).logits);
    }
    return logits;
  });
  return { prediction, outputs };
}

/** Return views, {name: picture}, as files. */
async function encode(views) {
  return Object.fromEntries(await Promise.all(Object.entries(views).map(
    async ([name, picture]) => [name, await jpeg(picture)])));
}

async function jpeg({ width, height, data }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(data, width, height),
                                       0, 0);
  return await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}
