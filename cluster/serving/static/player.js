/**
 * The picture of a video and its clock. Where the browser cannot play the video it says so, keeps a clock of its own
 * that seeking sets, and shows pictures that the server makes.
 */

import { pathOf } from "./api.js";
import { byId } from "./element.js";
import { Still } from "./still.js";
import { Subtitles } from "./subtitles.js";
import { text } from "./texts.js";

export class Player {
  #clock = 0;
  #isPlayable = true;
  #file = "";
  #id = ""; // of the video, once the server has its file
  #frame = 0;

  /** @param {(seconds: number) => void} onTime */
  constructor(onTime) {
    this.onTime = onTime;
    this.picture = byId("picture");
    this.words = byId("unplayable");
    this.still = new Still();
    this.subtitles = new Subtitles(this.picture, () => this.#showLine());
    this.picture.addEventListener("error", () => this.picture.hasAttribute("src") && this.#giveUp());
    // Of a codec that it does not know, a browser plays the sound alone.
    this.picture.addEventListener("loadedmetadata", () => this.picture.videoWidth || this.#giveUp());
    for (const name of ["timeupdate", "seeking", "seeked"]) this.picture.addEventListener(name, () => this.#tell());
    this.picture.addEventListener("play", () => this.#run());
  }

  /** Show a file of this machine, before the server has it. @param {File} file */
  openFile(file) {
    this.close();
    this.#file = URL.createObjectURL(file);
    this.#load(this.#file);
  }

  /** Show what the server has, unless the file is shown. @param {string} id of the video */
  serve(id) {
    this.#id = id;
    if (!this.#file) this.#load(pathOf(id, "media"));
    this.#showStill();
  }

  /** Show a video that is done. @param {import("./api.js").Video} video */
  open(video) {
    this.video = video;
    this.serve(video.id);
    this.render();
  }

  /** Forget the video. */
  close() {
    this.picture.pause();
    this.picture.removeAttribute("src");
    this.picture.load();
    if (this.#file) URL.revokeObjectURL(this.#file);
    this.#file = this.#id = "";
    this.#clock = 0;
    this.still.clear();
    this.subtitles.clear();
    this.#isPlayable = true;
    this.video = undefined;
    this.render();
  }

  /** Where it stands, in seconds. */
  get seconds() {
    return this.#isPlayable ? this.picture.currentTime : this.#clock;
  }

  /** @param {number} seconds */
  seek(seconds) {
    if (this.#isPlayable) this.picture.currentTime = seconds;
    this.#clock = seconds;
    this.#showStill();
    this.#tell();
  }

  /** Show the same in the words of the language. */
  render() {
    this.picture.hidden = !this.#isPlayable;
    this.words.hidden = this.#isPlayable;
    this.still.render();
    if (this.#isPlayable) return;
    const codec = this.video?.codec ? text("video.codec", { codec: this.video.codec }) : "";
    this.words.textContent = text(this.video ? "video.unplayable" : "video.unplayable_yet", { codec });
  }

  #load(address) {
    if (this.picture.getAttribute("src") !== address) this.picture.src = address;
  }

  #giveUp() {
    this.#isPlayable = false;
    this.render();
    this.#showStill();
    this.#showLine();
  }

  #showStill() {
    if (!this.#isPlayable && this.#id) this.still.show(this.#id, this.#clock);
  }

  /** The player shows subtitles itself, if there is one. */
  #showLine() {
    if (!this.#isPlayable) this.subtitles.showAt(this.#clock);
  }

  #tell() {
    this.#showLine();
    this.onTime(this.seconds);
  }

  /** Tell the time with each picture of the screen, as long as it plays. */
  #run() {
    cancelAnimationFrame(this.#frame);
    const step = () => {
      if (this.picture.paused || this.picture.ended) return;
      this.#tell();
      this.#frame = requestAnimationFrame(step);
    };
    step();
  }
}
