/** One prediction for several photographs of one plant. */

/**
 * Combine the answers for the photographs of one plant.
 *
 * The probabilities are the softmax of the mean of the calibrated logits,
 * that is of the mean of log(probability), as in
 * leaffliction/prediction/plants.py.
 *
 * @param {import("./engine.js").Answer[]} answers - at least one, of one
 *   model.
 * @returns {{known: boolean,
 *            classes: {name: string, probability: number}[],
 *            agree: number[], differ: number[]}} classes: the most probable
 *   first, sum 1; agree, differ: indices of the answers whose most probable
 *   class is that of the plant, or another.
 */
export function combineAnswers(answers) {
  const known = answers.filter((answer) => answer.known);
  const voting = known.length ? known : answers;
  const names = voting[0].classes.map(({ name }) => name);
  const logits = names.map((name) => mean(
    voting.map((answer) => Math.log(probabilityOf(answer, name)))));
  const classes = softmax(logits)
    .map((probability, index) => ({ name: names[index], probability }))
    .sort((one, other) => other.probability - one.probability);
  const agrees = (answer) => answer.classes[0].name === classes[0].name;
  const indices = [...answers.keys()];
  return {
    known: known.length > 0, classes,
    agree: indices.filter((index) => agrees(answers[index])),
    differ: indices.filter((index) => !agrees(answers[index])),
  };
}

function probabilityOf(answer, className) {
  const found = answer.classes.find(({ name }) => name === className);
  // The logarithm of 0 would outvote all other photographs.
  return Math.max(found.probability, 1e-12);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function softmax(logits) {
  const highest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
