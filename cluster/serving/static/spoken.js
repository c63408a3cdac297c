/** The words of a transcript over time, as a strip shows them. */

import { isLow } from "./confidence.js";

const STEP_SECONDS = 0.1; // of the keyboard: pictures are no closer where the server makes them
const COLOUR = "hue-1";

export class Spoken {
  stepSeconds = STEP_SECONDS;

  /** @param {import("./api.js").Transcript} transcript @param {number} seconds of the video */
  constructor(transcript, seconds) {
    this.seconds = seconds;
    // The last frame may reach beyond the end of the video.
    this.words = transcript.words.map(({ word, start, end, score }) => ({
      name: word,
      start,
      end: Math.min(end, seconds || end),
      score,
      isLow: isLow(score),
    }));
  }

  /** The word that is spoken at a time, as labels are. @param {number} seconds */
  at(seconds) {
    const word = this.words[this.placeAt(seconds)];
    return word ? [word] : [];
  }

  /** The place of the word that is spoken at a time; -1 in a pause. @param {number} seconds */
  placeAt(seconds) {
    return this.words.findLastIndex((one) => one.start <= seconds + 1e-3 && seconds + 1e-3 < one.end);
  }

  /** All words have one colour. */
  colourOf = () => COLOUR;
}
