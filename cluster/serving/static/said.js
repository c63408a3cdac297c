/** What is said, as text. Each word seeks to its start; the one that is spoken is marked. Arrow keys go from word to word. */

import { byId, element } from "./element.js";
import { clock, percent } from "./numbers.js";
import { text } from "./texts.js";

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class Said {
  /** @type {import("./api.js").Transcript | undefined} */
  #transcript;
  /** @type {import("./spoken.js").Spoken | undefined} */
  #spoken;
  #items = [];
  #now = -1;

  /** @param {(seconds: number) => void} onSeek */
  constructor(onSeek) {
    this.onSeek = onSeek;
    this.root = byId("said-text");
    this.root.addEventListener("keydown", (event) => this.#step(event));
  }

  /** @param {import("./api.js").Transcript} transcript @param {import("./spoken.js").Spoken} spoken its words */
  show(transcript, spoken) {
    this.#transcript = transcript;
    this.#spoken = spoken;
    this.render();
  }

  /** Mark the word that is spoken at a time. @param {number} seconds */
  mark(seconds) {
    const now = this.#spoken?.placeAt(seconds) ?? -1;
    if (now === this.#now) return;
    if (this.#items[this.#now]) this.#items[this.#now].ariaCurrent = null;
    this.#now = now;
    const item = this.#items[now];
    if (!item) return;
    item.ariaCurrent = "true";
    if (!this.root.contains(document.activeElement)) this.#enterAt(item);
    // The text alone scrolls, not the page.
    const { offsetTop: top, offsetHeight: height } = item,
      { scrollTop, clientHeight } = this.root;
    if (top < scrollTop || top + height > scrollTop + clientHeight) this.root.scrollTop = top - clientHeight / 3;
  }

  /** Show the same in the words of the language. */
  render() {
    const transcript = this.#transcript;
    if (!transcript) return;
    const { words } = this.#spoken;
    this.#now = -1;
    this.#items = words.map((word) => this.#item(word));
    // Of an alphabet without a space, words are single characters.
    const between = transcript.text === words.map((word) => word.name).join("") ? "" : " ";
    this.root.replaceChildren(...this.#items.flatMap((item, place) => (place ? [between, item] : [item])));
    if (this.#items.length) this.#enterAt(this.#items[0]);
    byId("said-note").textContent = words.length
      ? text("said.note", {
          count: words.length,
          score: percent(transcript.score),
          coverage: percent(transcript.coverage),
        })
      : text("said.none");
  }

  #item(word) {
    const values = { word: word.name, from: clock(word.start, true), score: percent(word.score) };
    return element(
      "button",
      {
        type: "button",
        class: `word${word.isLow ? " unsure" : ""}`,
        tabindex: "-1",
        title: text("said.word", values),
        onclick: () => this.onSeek(word.start),
      },
      word.name,
    );
  }

  /** Have the Tab key lead to one word: there may be thousands. */
  #enterAt(item) {
    for (const one of this.root.querySelectorAll('[tabindex="0"]')) one.tabIndex = -1;
    item.tabIndex = 0;
  }

  #step(event) {
    const place = this.#items.indexOf(event.target);
    const next = this.#items[place + (STEPS[event.key] ?? 0)];
    if (!(event.key in STEPS) || place < 0 || !next) return;
    event.preventDefault();
    this.#enterAt(next);
    next.focus();
  }
}
