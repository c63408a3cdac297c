/** The picture of a video at a time, from the server, for videos that the browser cannot play. */

import { pathOf } from "./api.js";
import { byId } from "./element.js";
import { clock } from "./numbers.js";
import { text } from "./texts.js";

const PER_SECOND = 10; // times that the server tells apart
const PAUSE_MILLISECONDS = 150; // between two pictures

export class Still {
  #id = "";
  /** Places in the video: the one that is wanted, and the one that was asked for last. */
  #wanted = 0;
  #asked = -1;
  #isBusy = false;

  constructor() {
    this.image = byId("still");
    this.image.addEventListener("load", () => this.#end(true));
    this.image.addEventListener("error", () => this.#end(false));
  }

  /**
   * Show a time of a video. Of the times that come while a picture is on its way, the last one counts.
   * @param {string} id @param {number} seconds
   */
  show(id, seconds) {
    if (id !== this.#id) this.clear();
    this.#id = id;
    this.#wanted = Math.floor(seconds * PER_SECOND + 1e-6);
    this.#load();
  }

  /** Show nothing. */
  clear() {
    this.#id = "";
    this.#asked = -1;
    this.image.hidden = true;
    this.image.removeAttribute("src");
  }

  /** Show the same in the words of the language. */
  render() {
    this.image.alt = this.#id ? text("video.still", { time: clock(this.#asked / PER_SECOND, true) }) : "";
  }

  #load() {
    if (!this.#id || this.#isBusy || this.#wanted === this.#asked) return;
    this.#isBusy = true;
    this.#asked = this.#wanted;
    this.image.src = `${pathOf(this.#id, "frame.jpg")}?seconds=${this.#asked / PER_SECOND}`;
  }

  #end(isThere) {
    this.image.hidden = !isThere || !this.#id;
    this.render();
    setTimeout(() => {
      this.#isBusy = false;
      this.#load();
    }, PAUSE_MILLISECONDS);
  }
}
