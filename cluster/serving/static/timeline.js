/**
 * The timeline of one model: what it sees at which time.
 *
 * A step stands for the time from its `seconds` until the next one begins, and no longer than the shortest distance
 * of two steps: where a video is damaged, steps are missing, and there is nothing to show.
 */

import { isLow } from "./confidence.js";

const LEVELS = 20; // of scores: neighbours on one level are drawn as one
const MAX_PIECES = 1200; // of a strip; more could not be told apart

/** @typedef {{start: number, end: number, name: string, score: number, isLow: boolean}} Piece */

export class Timeline {
  /** @param {import("./api.js").Result} result @param {number} seconds of the video @param {number} hz of the model */
  constructor(result, seconds, hz) {
    this.steps = result.timeline.filter((step) => step.top.length);
    this.seconds = seconds;
    const gaps = result.timeline
      .slice(1)
      .map((step, place) => step.seconds - result.timeline[place].seconds)
      .filter((gap) => gap > 0);
    this.stepSeconds = gaps.length ? gaps.reduce((a, b) => Math.min(a, b)) : hz > 0 ? 1 / hz : seconds;
  }

  /** The labels at a time, best first; none where nothing is known. @param {number} seconds */
  at(seconds) {
    let low = 0,
      high = this.steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.steps[middle].seconds <= seconds + 1e-6) low = middle + 1;
      else high = middle;
    }
    const step = this.steps[low - 1];
    return step && seconds < step.seconds + this.stepSeconds + 1e-6 ? step.top : [];
  }

  /** The times in which one label is the best, with about the same score. @returns {Piece[]} */
  pieces() {
    const found = [];
    for (const step of this.#thinned()) {
      const { name, score } = step.top[0],
        last = found.at(-1),
        end = Math.min(step.end, this.seconds || step.end);
      const touches = last && step.seconds - last.end < 1e-3 && last.name === name;
      if (touches && levelOf(last.score) === levelOf(score) && last.isLow === isLow(score)) last.end = end;
      else found.push({ start: step.seconds, end, name, score, isLow: isLow(score) });
    }
    return found;
  }

  /** The time around a moment in which the best label stays the same. @param {number} seconds */
  span(seconds) {
    const name = this.at(seconds)[0]?.name,
      step = this.stepSeconds;
    let start = Math.floor(seconds / step + 1e-6) * step,
      end = start + step;
    if (name === undefined) return { start, end: Math.min(end, this.seconds) };
    while (start > 0 && this.at(start - step / 2)[0]?.name === name) start -= step;
    while (end < this.seconds && this.at(end + step / 2)[0]?.name === name) end += step;
    return { start: Math.max(start, 0), end: Math.min(end, this.seconds) };
  }

  /** Steps with their ends; of several that would share a piece, the one with the highest score. */
  #thinned() {
    const together = Math.max(Math.ceil(this.steps.length / MAX_PIECES), 1),
      found = [];
    for (let first = 0; first < this.steps.length; first += together) {
      const group = this.steps.slice(first, first + together);
      const best = group.reduce((a, b) => (b.top[0].score > a.top[0].score ? b : a));
      found.push({ seconds: group[0].seconds, end: group.at(-1).seconds + this.stepSeconds, top: best.top });
    }
    return found;
  }
}

const levelOf = (score) => Math.min(Math.floor(score * LEVELS), LEVELS - 1);

/**
 * For how long each label lasts, longest first.
 * @param {{start: number, end: number, name: string}[]} intervals
 * @returns {Map<string, number>}
 */
export function secondsByName(intervals) {
  const found = new Map();
  for (const one of intervals) found.set(one.name, (found.get(one.name) ?? 0) + one.end - one.start);
  return new Map([...found].sort(([, a], [, b]) => b - a));
}
