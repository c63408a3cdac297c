/** The progress of a video on its way to results: the stages, the one it is in, and how far that is. */

import { announce, byId, element } from "./element.js";
import { duration, percent, size } from "./numbers.js";
import { text } from "./texts.js";

const STEADY_SECONDS = 2; // of an upload, before which its rate is a guess

export class Progress {
  #stage = "queued";
  #share = 0;
  #note = () => "";
  #began = 0;

  /** @param {() => void} onCancel */
  constructor(onCancel) {
    this.root = byId("progress");
    this.bar = byId("progress-bar");
    byId("cancel").addEventListener("click", onCancel);
  }

  /** Begin. @param {"upload" | "fetching" | ""} way that the video comes to the server */
  begin(way) {
    this.stages = [...(way ? [way] : []), "queued", "decoding", "classifying"];
    this.#began = performance.now();
    this.root.hidden = false;
    this.#show(this.stages[0], 0, () => "");
  }

  /** So much of the file is sent. @param {number} sent bytes @param {number} total bytes */
  sent(sent, total) {
    const passed = (performance.now() - this.#began) / 1000,
      left = sent ? (passed * (total - sent)) / sent : 0;
    const values = { sent: size(sent), total: size(total) };
    this.#show("upload", sent / total, () =>
      passed < STEADY_SECONDS || sent === total
        ? text("progress.sent", values)
        : text("progress.left", { ...values, time: duration(left) }),
    );
  }

  /** The server tells where it is. @param {import("./api.js").Video} video */
  follow({ status, progress, place }) {
    if (status === "fetching" && !this.stages.includes(status)) this.stages.unshift(status);
    if (!this.stages.includes(status)) return;
    this.#show(status, progress, () => {
      if (place) return text("progress.place", { ordinal: place });
      return progress ? text("progress.working", { share: percent(progress) }) : "";
    });
  }

  /** The next attempt is in so many seconds. @param {number} seconds */
  wait(seconds) {
    this.#began = performance.now() + seconds * 1000;
    this.#show(this.#stage, 0, () => text("progress.waiting", { time: duration(seconds) }));
  }

  /** Take it away. */
  end() {
    this.root.hidden = true;
  }

  /** Show the same in the words of the language. */
  render() {
    if (!this.stages) return;
    const now = this.stages.indexOf(this.#stage);
    byId("stages").replaceChildren(
      ...this.stages.map((name, place) => {
        const item = element(
          "li",
          { class: place < now ? "past" : place > now ? "future" : "now" },
          text(`progress.${name}`),
        );
        if (place === now) item.ariaCurrent = "step";
        return item;
      }),
    );
    this.bar.ariaLabel = text("progress.name", { stage: text(`progress.${this.#stage}`) });
    // Without a share the bar says that it is not known.
    if (this.#share > 0) this.bar.value = this.#share;
    else this.bar.removeAttribute("value");
    byId("progress-note").textContent = this.#note();
  }

  #show(stage, share, note) {
    if (stage !== this.#stage) announce(text(`progress.${stage}`));
    this.#stage = stage;
    this.#share = share;
    this.#note = note;
    this.render();
  }
}
