/**
 * Frames of a camera to a streaming network, and its labels back, over a WebSocket.
 *
 * A frame goes out at the rate of the network, and only while fewer than `MOST_IN_FLIGHT` are unanswered: where the
 * server or the line is slow, frames are left out and the labels stay those of now.
 */

import { Problem } from "./problem.js";

const MOST_IN_FLIGHT = 2;
const USUAL_HZ = 5; // of stream networks
const SHORT_SIDE = 320; // no stream network looks closer
const QUALITY = 0.85;
const RATE_SECONDS = 5; // over which the rate is told

/** @typedef {{labels: import("./api.js").Label[], rate: number, delaySeconds: number, dropped: number}} Answer */

export class Live {
  #sent = []; // times of frames without an answer
  #answered = [];
  #leftOut = 0;
  #dropped = 0;
  #timer = 0;
  #isEncoding = false;

  /**
   * @param {import("./api.js").Model} model
   * @param {HTMLVideoElement} picture
   * @param {{onAnswer: (answer: Answer) => void, onLost: (problem: Problem) => void}} how
   */
  constructor(model, picture, how) {
    this.picture = picture;
    this.how = how;
    this.canvas = document.createElement("canvas");
    const address = new URL(`v1/live?${new URLSearchParams({ model: model.name })}`, document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    this.socket = new WebSocket(address);
    this.socket.addEventListener("open", () => {
      this.#timer = setInterval(() => this.#send(), 1000 / (model.live_hz ?? USUAL_HZ));
    });
    this.socket.addEventListener("message", ({ data }) => this.#receive(JSON.parse(data)));
    this.socket.addEventListener("close", ({ reason }) => this.#lose(reason));
  }

  /** End it. */
  close() {
    clearInterval(this.#timer);
    this.how = undefined;
    this.socket.close();
  }

  #send() {
    const { videoWidth: width, videoHeight: height } = this.picture;
    if (!width || this.#isEncoding || this.#sent.length >= MOST_IN_FLIGHT) {
      this.#leftOut += width ? 1 : 0;
      return;
    }
    const scale = Math.min(SHORT_SIDE / Math.min(width, height), 1);
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.getContext("2d").drawImage(this.picture, 0, 0, this.canvas.width, this.canvas.height);
    this.#isEncoding = true;
    this.canvas.toBlob(
      (frame) => {
        this.#isEncoding = false;
        if (!frame || this.socket.readyState !== WebSocket.OPEN) return;
        this.#sent.push(performance.now());
        this.socket.send(frame);
      },
      "image/jpeg",
      QUALITY,
    );
  }

  #receive({ top, dropped, error }) {
    // The server answers the newest frame, and counts those that it left out for it.
    const newlyDropped = error ? 0 : dropped - this.#dropped,
      now = performance.now();
    const sent = this.#sent.splice(0, newlyDropped + 1).at(-1) ?? now;
    if (error) return; // of one frame, which it could not decode
    this.#dropped = dropped;
    this.#answered = [...this.#answered.filter((at) => now - at < RATE_SECONDS * 1000), now];
    const passed = (now - this.#answered[0]) / 1000;
    this.how?.onAnswer({
      labels: top,
      rate: passed > 0 ? (this.#answered.length - 1) / passed : 0,
      delaySeconds: (now - sent) / 1000,
      dropped: this.#leftOut + dropped,
    });
  }

  #lose(reason) {
    clearInterval(this.#timer);
    this.how?.onLost(new Problem(reason || "live_lost"));
  }
}
