/** What is known about a model: how good it is, what it takes for what, its training report, and its results as files. */

import { pathOf } from "./api.js";
import { byId, element } from "./element.js";
import { percent } from "./numbers.js";
import { hasText, text } from "./texts.js";

// Of classifiers, and of lip readers: files, and the names of their texts.
const FILES = { "results.parquet": "results.parquet", "events.csv": "events.csv", "events.vtt": "events.vtt" };
const LIP_FILES = {
  "results.parquet": "transcript.parquet",
  "subtitles.vtt": "subtitles.vtt",
  "subtitles.srt": "subtitles.srt",
};

/** One line about a model. @param {import("./api.js").Model} model */
export function factsOf(model) {
  const kind = hasText(`kind.${model.kind}`) ? text(`kind.${model.kind}`) : model.kind;
  const facts = [kind];
  if (model.kind === "lips") facts.push(text("model.reads"));
  else facts.push(text("model.classes", { count: model.classes.length }));
  if (typeof model.word_error_rate === "number")
    facts.push(text("model.word_error_rate", { rate: percent(model.word_error_rate) }));
  if (typeof model.accuracy === "number") facts.push(text("model.accuracy", { accuracy: percent(model.accuracy) }));
  return facts.join(" · ");
}

export class ModelCard {
  #label = "";

  /** @param {import("./api.js").Model} model @param {string} videoId @param {{hasFiles: boolean}} has */
  show(model, videoId, { hasFiles }) {
    this.model = model;
    this.videoId = videoId;
    this.hasFiles = hasFiles;
    this.render();
  }

  /** Show the confusions of a label. @param {string} label */
  about(label) {
    if (label === this.#label) return;
    this.#label = label;
    this.#renderConfusions();
  }

  /** Show the same in the words of the language. */
  render() {
    if (!this.model) return;
    byId("model-title").textContent = text("model.title", { model: this.model.name });
    byId("model-facts").textContent = factsOf(this.model);
    const report = byId("report");
    report.hidden = !this.model.report;
    report.href = `v1/models/${encodeURIComponent(this.model.name)}/report`;
    const files = this.model.kind === "lips" ? LIP_FILES : FILES;
    byId("downloads").replaceChildren(...Object.entries(files).map(([name, named]) => this.#download(name, named)));
    byId("downloads-card").hidden = !this.hasFiles;
    this.#renderConfusions();
  }

  #download(name, named) {
    const address = `${pathOf(this.videoId, name)}?${new URLSearchParams({ model: this.model.name })}`;
    return element(
      "li",
      {},
      element("a", { href: address, download: true, class: "button quiet" }, text(`downloads.${named}`)),
      element("span", { class: "note" }, text(`downloads.${named}_note`)),
    );
  }

  #renderConfusions() {
    const root = byId("confusions"),
      label = this.#label;
    root.replaceChildren();
    root.hidden = this.model?.kind === "lips";
    if (!label || !this.model || root.hidden) return;
    root.append(element("h3", {}, text("model.confused", { label })));
    const known = Object.hasOwn(this.model.confusions ?? {}, label) ? this.model.confusions[label] : undefined;
    if (!known?.length) {
      root.append(
        element("p", { class: "note" }, text(known ? "model.not_confused" : "model.no_confusions", { label })),
      );
      return;
    }
    const head = ["confused_label", "confused_share"].map((name) =>
      element("th", { scope: "col" }, text(`model.${name}`)),
    );
    const rows = known.map(([other, share]) =>
      element("tr", {}, element("th", { scope: "row" }, other), element("td", { class: "number" }, percent(share))),
    );
    root.append(
      element("p", { class: "note" }, text("model.confused_note", { label })),
      element(
        "table",
        { class: "confusions" },
        element("caption", { class: "visually-hidden" }, text("model.confused", { label })),
        element("thead", {}, element("tr", {}, ...head)),
        element("tbody", {}, ...rows),
      ),
    );
  }
}
