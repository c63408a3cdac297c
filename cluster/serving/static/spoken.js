/** The words of a transcript over time, as a strip shows them. */

import { isLow } from "./confidence.js";

const STEP_SECONDS = 0.1; // of the keyboard: pictures are no closer where the server makes them
const COLOUR = "hue-1";
const MANY_WORDS = 40;
const ROOM = 0.01; // of the strip, for a name

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

  /** The words that a strip names: of many, those that have room for it. All have one colour, which tells nothing. */
  named() {
    const least = this.words.length > MANY_WORDS ? ROOM * this.seconds : 0;
    return this.words.filter((one) => one.end - one.start >= least);
  }

  /** All words have one colour. */
  colourOf = () => COLOUR;
}
