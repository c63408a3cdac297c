/**
 * A strip: the best label of each step of a timeline over the time of the video, as high as its score, with the events
 * below. It is a slider: pointer and keyboard move through the video.
 */

import { element } from "./element.js";
import { clock, percent } from "./numbers.js";
import { text } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000; // units of the drawing, which is stretched to its container
const HEIGHT = 100;
const LEAST_HEIGHT = 6;
const MAX_LANES = 4;
const PAGE_STEPS = 10;
const TICKS = 5;
const TICK_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];

export class Strip {
  #time = 0;

  /**
   * @param {{model: string, timeline: import("./timeline.js").Timeline | import("./spoken.js").Spoken,
   *   events: Omit<import("./api.js").Event, "index">[], pieces: import("./timeline.js").Piece[],
   *   drawn: {start: number, end: number, name: string, score: number}[], colourOf: (name: string) => string,
   *   none: string, onSeek: (seconds: number) => void, onPoint: (seconds: number | null) => void,
   *   hasName: boolean}} parts; `drawn` are the events that are drawn, `none` is the text where there is no label
   */
  constructor(parts) {
    this.parts = parts;
    this.seconds = parts.timeline.seconds;
    this.name = element("p", { class: "strip-name", hidden: !parts.hasName, "aria-hidden": "true" }, parts.model);
    this.head = element("i", { class: "playhead" });
    this.pointed = element("i", { class: "pointed", hidden: true });
    this.track = element(
      "div",
      { class: "track", role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": this.seconds.toFixed(1) },
      this.#drawing(),
      this.pointed,
      this.head,
    );
    this.lanes = element("div", { class: "lanes", "aria-hidden": "true" });
    this.axis = element("div", { class: "axis", "aria-hidden": "true" });
    this.root = element("div", { class: "strip" }, this.name, this.track, this.axis, this.lanes);
    this.#drawAxis();
    this.#drawEvents();
    this.#listen();
  }

  /** Move the playhead. @param {number} seconds */
  show(seconds) {
    this.#time = seconds;
    this.head.style.setProperty("--at", String(this.#share(seconds)));
    const labels = this.parts.timeline.at(seconds);
    this.track.ariaValueNow = seconds.toFixed(1);
    this.track.ariaValueText = labels.length
      ? text("strip.at", { time: clock(seconds), label: labels[0].name, score: percent(labels[0].score) })
      : text(this.parts.none, { time: clock(seconds) });
  }

  /** Show which model the rest of the page is about. @param {boolean} isCurrent */
  mark(isCurrent) {
    this.root.classList.toggle("current", isCurrent);
  }

  /** Show the same in the words of the language. */
  render() {
    this.track.ariaLabel = text("strip.name", { model: this.parts.model });
    this.#drawAxis();
    this.show(this.#time);
  }

  #share = (seconds) => (this.seconds > 0 ? Math.min(Math.max(seconds / this.seconds, 0), 1) : 0);

  #drawing() {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    for (const piece of this.parts.pieces) {
      const bar = document.createElementNS(SVG, "rect"),
        height = Math.max(piece.score * HEIGHT, LEAST_HEIGHT);
      const left = this.#share(piece.start) * WIDTH,
        width = Math.max(this.#share(piece.end) * WIDTH - left, 1);
      for (const [name, value] of Object.entries({ x: left, y: HEIGHT - height, width, height }))
        bar.setAttribute(name, value.toFixed(2));
      bar.setAttribute("class", `${this.parts.colourOf(piece.name)}${piece.isLow ? " low" : ""}`);
      svg.append(bar);
    }
    return svg;
  }

  #drawAxis() {
    const step = TICK_SECONDS.find((one) => this.seconds / one <= TICKS) ?? TICK_SECONDS.at(-1);
    this.axis.replaceChildren();
    for (let at = 0; at <= this.seconds * 0.96; at += step) {
      const tick = element("span", {}, clock(at));
      tick.style.setProperty("--at", String(this.#share(at)));
      this.axis.append(tick);
    }
  }

  #drawEvents() {
    const ends = Array(MAX_LANES).fill(0);
    for (const event of this.parts.drawn) {
      const lane = ends.findIndex((end) => end <= event.start + 1e-6);
      if (lane < 0) continue; // it is in the list below
      ends[lane] = event.end;
      const bar = element(
        "div",
        {
          class: `event ${this.parts.colourOf(event.name)}`,
          title: `${event.name} ${percent(event.score)}`,
          onclick: () => this.parts.onSeek(event.start),
        },
        event.name,
      );
      bar.style.setProperty("--at", String(this.#share(event.start)));
      bar.style.setProperty("--to", String(this.#share(event.end)));
      bar.style.setProperty("--lane", String(lane));
      this.lanes.append(bar);
    }
    this.lanes.style.setProperty("--lanes", String(ends.filter((end) => end > 0).length));
  }

  #listen() {
    const secondsAt = (event) => {
      const box = this.track.getBoundingClientRect();
      return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.seconds;
    };
    const point = (seconds) => {
      this.pointed.hidden = seconds === null;
      if (seconds !== null) this.pointed.style.setProperty("--at", String(this.#share(seconds)));
      this.parts.onPoint(seconds);
    };
    this.track.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.track.setPointerCapture(event.pointerId);
      this.parts.onSeek(secondsAt(event));
    });
    this.track.addEventListener("pointermove", (event) => {
      if (this.track.hasPointerCapture(event.pointerId)) this.parts.onSeek(secondsAt(event));
      if (event.pointerType === "mouse") point(secondsAt(event));
    });
    this.track.addEventListener("pointerleave", () => point(null));
    this.track.addEventListener("keydown", (event) => {
      const to = event.altKey || event.ctrlKey || event.metaKey ? undefined : this.#target(event.key);
      if (to === undefined) return;
      event.preventDefault();
      point(null);
      this.parts.onSeek(Math.min(Math.max(to, 0), this.seconds));
    });
  }

  /** Where a key leads to. @param {string} key @returns {number | undefined} */
  #target(key) {
    const step = this.parts.timeline.stepSeconds,
      { events } = this.parts,
      now = this.#time;
    const moves = {
      ArrowRight: step,
      ArrowUp: step,
      ArrowLeft: -step,
      ArrowDown: -step,
      PageUp: PAGE_STEPS * step,
      PageDown: -PAGE_STEPS * step,
      Home: -now,
      End: this.seconds - now,
    };
    if (key in moves) return now + moves[key];
    if (key === "n" || key === "N") return events.find((one) => one.start > now + 1e-3)?.start;
    if (key === "p" || key === "P") return events.findLast((one) => one.start < now - 1e-3)?.start;
    return undefined;
  }
}
