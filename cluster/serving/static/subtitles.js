/** Subtitles over the picture: tracks of the player, which shows them itself; over stills, their lines as text. */

import { pathOf } from "./api.js";
import { byId, element } from "./element.js";

export class Subtitles {
  /** @type {Map<string, HTMLTrackElement>} */
  #tracks = new Map(); // by model

  /** @param {HTMLVideoElement} picture @param {() => void} onLoad some have come */
  constructor(picture, onLoad) {
    this.picture = picture;
    this.onLoad = onLoad;
    this.line = byId("subtitle");
  }

  /** Offer those of a video by these models, and show the first. @param {string} id @param {string[]} models */
  offer(id, models) {
    this.clear();
    for (const model of models) {
      const src = `${pathOf(id, "subtitles.vtt")}?${new URLSearchParams({ model })}`;
      const track = element("track", { kind: "captions", label: model, src, onload: this.onLoad });
      this.#tracks.set(model, track);
      this.picture.append(track);
    }
    this.choose(models[0]);
  }

  /** Show those of a model, if it has any. @param {string | undefined} model */
  choose(model) {
    if (!this.#tracks.has(model)) return;
    for (const [name, { track }] of this.#tracks) track.mode = name === model ? "showing" : "disabled";
    this.onLoad();
  }

  /** Show none. */
  clear() {
    for (const track of this.#tracks.values()) {
      track.track.mode = "disabled"; // or its line would stay, in Chromium until the next one
      track.remove();
    }
    this.#tracks.clear();
    this.line.hidden = true;
  }

  /** Show the line of a time over a still. @param {number} seconds */
  showAt(seconds) {
    const track = [...this.#tracks.values()].find((one) => one.track.mode === "showing")?.track;
    const cue = [...(track?.cues ?? [])].find((one) => one.startTime <= seconds + 1e-3 && seconds < one.endTime);
    this.line.hidden = !cue;
    this.line.textContent = cue ? /** @type {VTTCue} */ (cue).getCueAsHTML().textContent : "";
  }
}
