/** One prediction for several photographs of one plant. */

/* As MIN_PROBABILITY of leaffliction/model/metrics.py: the logarithm of 0
 * would outvote all other photographs. */
const MIN_PROBABILITY = 1e-12;

/* As CORRELATION of leaffliction/prediction/plants.py. */
const CORRELATION = 0.5;

/**
 * Combine the answers for the photographs of one plant, as `combine` of
 * leaffliction/prediction/plants.py does.
 *
 * The plant is known if at least half of its photographs are; then only those
 * have a vote, otherwise all.  The probabilities are the softmax of the mean
 * of the voters' calibrated logits times the number of independent
 * photographs that they are worth.
 *
 * @param {import("./engine.js").Answer[]} answers - at least one, of one
 *   model.
 * @returns {{known: boolean,
 *            classes: {name: string, probability: number}[],
 *            agree: number[], differ: number[], withoutVote: number[]}}
 *   classes: the most probable first, sum 1; agree, differ, withoutVote:
 *   indices of the answers that vote for the plant's class, for another, or
 *   that have no vote.
 */
export function combineAnswers(answers) {
  const isKnown = 2 * answers.filter(({ known }) => known).length
    >= answers.length;
  const hasVote = ({ known }) => known || !isKnown;
  const voters = answers.filter(hasVote);
  const names = voters[0].classes.map(({ name }) => name);
  const logits = names.map((name) => mean(
    voters.map((answer) => logitOf(answer, name))));
  const weight = independentPhotographs(voters.length);
  const classes = softmax(logits.map((logit) => weight * logit))
    .map((probability, index) => ({ name: names[index], probability }))
    .sort((one, other) => other.probability - one.probability);
  const indicesOf = (isOne) => [...answers.keys()].filter(
    (index) => isOne(answers[index]));
  const agrees = (answer) => answer.classes[0].name === classes[0].name;
  return {
    known: isKnown, classes,
    agree: indicesOf((one) => hasVote(one) && agrees(one)),
    differ: indicesOf((one) => hasVote(one) && !agrees(one)),
    withoutVote: indicesOf((one) => !hasVote(one)),
  };
}

/** How many independent photographs are worth as much as `count`. */
function independentPhotographs(count) {
  return count / (1 + (count - 1) * CORRELATION);
}

function logitOf(answer, className) {
  const { probability } = answer.classes.find(
    ({ name }) => name === className);
  return Math.log(Math.max(probability, MIN_PROBABILITY));
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
