/** The list of a model's events. Each seeks to its start, and can be corrected. */

import { isLow } from "./confidence.js";
import { byId, element } from "./element.js";
import { clock, percent } from "./numbers.js";
import { text } from "./texts.js";

const FEW = 12;

export class EventList {
  #events = [];
  #items = [];
  #isOpen = false;

  /** @param {{onSeek: (seconds: number) => void, onCorrect: (event: import("./api.js").Event) => void}} how */
  constructor(how) {
    this.how = how;
    this.list = byId("event-list");
    this.more = byId("all-events");
    this.more.addEventListener("click", () => {
      this.#isOpen = true;
      this.render();
      this.list.children[FEW].querySelector("button").focus();
    });
  }

  /** @param {import("./api.js").Event[]} events @param {(name: string) => string} colourOf */
  show(events, colourOf) {
    this.#events = events;
    this.colourOf = colourOf;
    this.#isOpen = false;
    this.render();
  }

  /** Mark the events that happen at a time. @param {number} seconds */
  mark(seconds) {
    for (const { item, event } of this.#items) {
      const isNow = event.start <= seconds + 1e-3 && seconds < event.end;
      if (isNow !== (item.ariaCurrent === "true")) item.ariaCurrent = isNow ? "true" : null;
    }
  }

  /** Show the same in the words of the language. */
  render() {
    const shown = this.#isOpen ? this.#events : this.#events.slice(0, FEW);
    this.#items = shown.map((event) => ({ event, item: this.#item(event) }));
    this.list.replaceChildren(...this.#items.map(({ item }) => item));
    byId("events-note").textContent = text(this.#events.length ? "events.note" : "events.none");
    this.more.hidden = shown.length === this.#events.length;
    this.more.textContent = text("events.all", { count: this.#events.length });
  }

  #item(event) {
    const values = { label: event.name, from: clock(event.start), to: clock(event.end), score: percent(event.score) };
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          class: "event-button",
          "aria-label": text("events.name", values),
          onclick: () => this.how.onSeek(event.start),
        },
        element("i", { class: `swatch ${this.colourOf(event.name)}` }),
        element("span", { class: "name" }, event.name),
        element("span", { class: "times" }, `${values.from} – ${values.to}`),
        element("span", { class: `score${isLow(event.score) ? " low" : ""}` }, values.score),
      ),
      element(
        "button",
        {
          type: "button",
          class: "link",
          "aria-label": text("events.correct_name", values),
          onclick: () => this.how.onCorrect(event),
        },
        text("events.correct"),
      ),
    );
  }
}
