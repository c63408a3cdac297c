/** A table of labels and their probabilities, best first. Its rows stay, so that it can change many times a second. */

import { isLow } from "./confidence.js";
import { element } from "./element.js";
import { percent } from "./numbers.js";
import { text } from "./texts.js";

export class ScoreTable {
  #labels = [];
  #rows = [];
  #none = "scores.none";

  /** @param {HTMLElement} root @param {string} titleId of the heading that says what the scores are of */
  constructor(root, titleId) {
    this.body = element("tbody");
    this.head = element("tr");
    this.empty = element("p", { class: "note", hidden: true });
    this.table = element(
      "table",
      { class: "scores", "aria-labelledby": titleId },
      element("thead", { class: "visually-hidden" }, this.head),
      this.body,
    );
    root.replaceChildren(this.table, this.empty);
  }

  /** @param {Pick<import("./api.js").Label, "name" | "score">[]} labels @param {string} none the text where there are none */
  show(labels, none = "scores.none") {
    this.#labels = labels;
    this.#none = none;
    while (this.#rows.length < labels.length) this.#rows.push(new Row());
    if (this.body.rows.length !== labels.length)
      this.body.replaceChildren(...this.#rows.slice(0, labels.length).map((row) => row.row));
    labels.forEach((label, place) => this.#rows[place].show(label, place));
    this.table.hidden = !labels.length;
    this.empty.hidden = labels.length > 0;
    this.empty.textContent = text(none);
  }

  /** Show the same in the words of the language. */
  render() {
    this.head.replaceChildren(
      ...["label", "score"].map((name) => element("th", { scope: "col" }, text(`scores.${name}`))),
    );
    this.show(this.#labels, this.#none);
  }
}

class Row {
  constructor() {
    this.name = element("span", { class: "name" });
    this.low = element("span", { class: "low" });
    this.bar = element("i", { class: "bar", "aria-hidden": "true" });
    this.number = element("span");
    this.row = element(
      "tr",
      {},
      element("th", { scope: "row" }, this.name, " ", this.low, this.bar),
      element("td", { class: "number" }, this.number),
    );
  }

  show({ name, score }, place) {
    this.name.textContent = name;
    this.number.textContent = percent(score);
    // Only the best label is an answer; that others score low is as it should be.
    this.low.textContent = place === 0 && isLow(score) ? text("scores.low") : "";
    this.bar.style.setProperty("--share", String(Math.min(Math.max(score, 0), 1)));
  }
}
