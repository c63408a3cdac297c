/** Colours of labels: a label has the same one in the timelines of all models; those seen longest have one at all. */

/** Hues of the style sheet, `hue-1` and so on; `hue-0` is grey, for all others. */
const HUES = 8;

/**
 * CSS classes by label.
 * @param {Map<string, number>[]} seconds for which labels are seen, of each model
 * @returns {(name: string) => string}
 */
export function coloursOf(seconds) {
  const total = new Map();
  for (const one of seconds) for (const [name, lasted] of one) total.set(name, (total.get(name) ?? 0) + lasted);
  const names = [...total]
    .sort(([, a], [, b]) => b - a)
    .map(([name]) => name)
    .slice(0, HUES);
  const hues = new Map(names.map((name, place) => [name, `hue-${place + 1}`]));
  return (name) => hues.get(name) ?? "hue-0";
}
