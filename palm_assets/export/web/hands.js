// What the hands of a model with labels show: as palm_assets/gan/label_vectors.py decides it.

export const LABELS = { aspect: ["palm", "back"], side: ["left", "right"], skin: ["fair", "medium", "dark"] };
export const ANY = "any";
const INPUTS = ["aspect", "skin"]; // labels that the networks see, in the order of the vector

/**
 * Labels of one image: what is asked for, and the rest drawn as often as it was trained on.
 *
 * @param {string[]} labels that the model has.
 * @param {Record<string, string>} asked value of each label, or "any".
 * @param {number[]} shares of each combination in training.
 * @param {number[]} numbers three random ones in [0, 1): for aspect, skin and side.
 */
export function complete(labels, asked, shares, numbers) {
  const found = { aspect: ANY, side: ANY, skin: ANY, ...asked };
  INPUTS.forEach((name, at) => {
    if (found[name] === ANY && labels.includes(name)) found[name] = draw(name, found, labels, shares, numbers[at]);
  });
  if (found.side === ANY && labels.includes("side")) found.side = LABELS.side[Number(numbers[2] >= 0.5)];
  return found;
}

/** The label vector: one-hot for each label that the networks see, zeros where it is not known. */
export function encode(labels, hand) {
  const names = INPUTS.filter((name) => labels.includes(name));
  return Float32Array.from(names.flatMap((name) => LABELS[name].map((value) => Number(hand[name] === value))));
}

/** Whether the image is mirrored: the networks draw the thumb on the right. */
export function isMirrored(labels, { aspect, side }) {
  const thumbLeft = (aspect === "palm" && side === "left") || (aspect === "back" && side === "right");
  return labels.includes("side") && thumbLeft;
}

function combinations(labels) {
  const values = (name) => (labels.includes(name) ? [...LABELS[name], ANY] : [ANY]);
  return values("aspect").flatMap((aspect) => values("skin").map((skin) => ({ aspect, skin })));
}

function draw(name, found, labels, shares, number) {
  const weights = LABELS[name].map(() => 0);
  combinations(labels).forEach((row, at) => {
    const others = INPUTS.every((other) =>
      other === name || found[other] === ANY || found[other] === row[other]);
    if (row[name] !== ANY && others) weights[LABELS[name].indexOf(row[name])] += shares[at];
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return ANY;
  let rest = number * total;
  for (const [at, weight] of weights.entries()) {
    rest -= weight;
    if (rest < 0) return LABELS[name][at];
  }
  return LABELS[name][weights.indexOf(Math.max(...weights))];
}
