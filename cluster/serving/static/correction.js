/** Corrections: the dialog that takes one, and the list of those that were made. */

import { correct, pathOf } from "./api.js";
import { announce, byId, element } from "./element.js";
import { clock, percent, secondsOf } from "./numbers.js";
import { asProblem } from "./problem.js";
import { hasText, text } from "./texts.js";

export class Corrections {
  /** @type {import("./api.js").Correction[]} */
  #made = [];

  /** @param {boolean} areKept whether they outlast the video */
  constructor(areKept) {
    this.areKept = areKept;
    this.dialog = byId("correction-dialog");
    this.label = byId("correction-label");
    this.from = byId("correction-from");
    this.to = byId("correction-to");
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    byId("correction-cancel").addEventListener("click", () => this.dialog.close());
  }

  /** Begin with a video, and what the server has of it. @param {import("./api.js").Video} video */
  show(video) {
    this.video = video;
    this.#made = video.corrections ?? [];
    byId("correction-file").href = pathOf(video.id, "corrections.csv");
    this.render();
  }

  /**
   * Ask what a time really shows.
   * @param {import("./api.js").Model} model
   * @param {{start: number, end: number, name?: string, score?: number}} what the model says
   */
  ask(model, what) {
    this.model = model;
    byId("correction-was").textContent =
      what.name === undefined
        ? text("corrections.was_nothing", { model: model.name })
        : text("corrections.was", { model: model.name, label: what.name, score: percent(what.score ?? 0) });
    byId("correction-note").textContent = text(this.areKept ? "corrections.kept" : "corrections.kept_briefly");
    byId("classes").replaceChildren(...model.classes.map((name) => element("option", { value: name })));
    this.label.value = "";
    this.from.value = clock(what.start, true);
    this.to.value = clock(what.end, true);
    this.#say({});
    this.dialog.showModal();
    this.label.focus();
  }

  /** Show the same in the words of the language. */
  render() {
    byId("corrections").hidden = !this.#made.length;
    byId("correction-list").replaceChildren(
      ...this.#made.map((one) => element("li", {}, text("corrections.item", wordsOf(one)))),
    );
  }

  async #save() {
    const start = secondsOf(this.from.value),
      end = secondsOf(this.to.value),
      label = this.label.value.trim();
    const limit = this.video.duration_seconds;
    const wrong = {
      label: label ? "" : text("corrections.label_missing"),
      times: start < end && end <= limit + 0.1 ? "" : text("corrections.times_wrong", { duration: clock(limit, true) }),
    };
    this.#say(wrong);
    if (wrong.label || wrong.times) return;
    const { id } = this.video,
      { name: model } = this.model;
    let made;
    try {
      made = await correct(id, { model, start_seconds: start, end_seconds: Math.min(end, limit), label });
    } catch (error) {
      const { code, message } = asProblem(error);
      this.#say({ label: `${text(`errors.${hasText(`errors.${code}`) ? code : "unknown"}.title`)}. ${message}` });
      return;
    }
    const isSame = (one) => one.start_seconds === made.start_seconds && one.end_seconds === made.end_seconds;
    this.#made = [...this.#made.filter((one) => !isSame(one)), made];
    this.dialog.close();
    this.render();
    announce(text("corrections.saved", wordsOf(made)));
  }

  #say({ label = "", times = "" }) {
    byId("correction-label-problem").textContent = label;
    byId("correction-times-problem").textContent = times;
    this.label.ariaInvalid = label ? "true" : null;
    for (const field of [this.from, this.to]) field.ariaInvalid = times ? "true" : null;
    if (label) this.label.focus();
    else if (times) this.from.focus();
  }
}

const wordsOf = (one) => ({ label: one.label, from: clock(one.start_seconds, true), to: clock(one.end_seconds, true) });
