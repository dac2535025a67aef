/**
 * From the outputs of the network to a prediction.
 *
 * The same rules as leaffliction/model/classifier.py and ood.py.
 *
 * @typedef {object} Model - as model.json, with the arrays of its file.
 * @property {string[]} class_names
 * @property {number} size - side of the network's input.
 * @property {number} temperature
 * @property {number} ood_temperature
 * @property {number} ood_threshold
 * @property {Object<string, Float32Array>} arrays - mean, class_means, within,
 *   overall; of a released model outdoors_gate and outdoors_shift.
 *
 * @typedef {object} Outputs - of the network, for one image.
 * @property {Float32Array} logits
 * @property {Float32Array} class_maps - (h, w, classes).
 * @property {Float32Array} features
 */

/** Confidence below which a known image gets test-time augmentation, too. */
export const SURE = 0.9;

/**
 * Predict from the network's outputs.
 *
 * @param {Model} model
 * @param {Outputs} outputs - for the image.
 * @param {function(): Promise<Float32Array[]>} otherLogits - of the other
 *   views of test-time augmentation; called only where they are needed.
 * @returns {Promise<{probabilities: number[], oodScore: number,
 *                    known: boolean}>}
 */
export async function predict(model, outputs, otherLogits) {
  const { logits, features } = outputs;
  const oodScore = judge(model.arrays, features, logits);
  const known = oodScore <= model.ood_threshold;
  const temperature = known ? model.temperature : model.ood_temperature;
  const probabilities = softmax(logits, temperature);
  if (known && Math.max(...probabilities) >= SURE) {
    return { probabilities, oodScore, known };
  }
  const all = [probabilities, ...(await otherLogits()).map(
    (values) => softmax(values, temperature))];
  return {
    oodScore, known,
    probabilities: probabilities.map((_, index) => all.reduce(
      (sum, values) => sum + values[index], 0) / all.length) };
}

/** Return the out-of-distribution score, by the rule for the image's kind. */
function judge(arrays, features, logits) {
  const gate = arrays.outdoors_gate;
  if (gate && dot(features, gate) + gate[features.length] > 0) {
    return arrays.outdoors_shift[0] - logSumExp(logits);
  }
  return mahalanobisScore(arrays, features);
}

/** Return the relative Mahalanobis distance (Ren et al. 2021). */
function mahalanobisScore({ mean, class_means: classMeans, within, overall },
                          features) {
  const count = features.length;
  const centred = Float64Array.from(features,
                                    (value, index) => value - mean[index]);
  let nearest = Infinity;
  for (let start = 0; start < classMeans.length; start += count) {
    const difference = centred.map(
      (value, index) => value - classMeans[start + index]);
    nearest = Math.min(nearest, squaredNorm(difference, within));
  }
  return nearest - squaredNorm(centred, overall);
}

/** Return the squared norm of a vector times a square matrix. */
function squaredNorm(vector, matrix) {
  const count = vector.length;
  const product = new Float64Array(count);
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      product[column] += vector[row] * matrix[row * count + column];
    }
  }
  return product.reduce((sum, value) => sum + value * value, 0);
}

function dot(one, other) {
  return one.reduce((sum, value, index) => sum + value * other[index], 0);
}

function logSumExp(logits) {
  const highest = Math.max(...logits);
  return highest + Math.log(logits.reduce(
    (sum, logit) => sum + Math.exp(logit - highest), 0));
}

function softmax(logits, temperature) {
  const scaled = Array.from(logits, (logit) => logit / temperature);
  const total = logSumExp(scaled);
  return scaled.map((logit) => Math.exp(logit - total));
}
