/** Which scores are low: the label is then a guess, and is marked as one. */

/** A label that scores below this is less likely right than wrong. */
export const LOW = 0.5;

/** @param {number} score */
export const isLow = (score) => score < LOW;
