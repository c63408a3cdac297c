/** The camera: its picture, the labels of now, and those of before. Nothing of it is kept. */

import { announce, byId, element } from "./element.js";
import { Live } from "./live.js";
import { clock, decimal, milliseconds, percent } from "./numbers.js";
import { hideProblem, Problem, showProblem } from "./problem.js";
import { ScoreTable } from "./scores.js";
import { openSession } from "./session.js";
import { text } from "./texts.js";

const WIDTH = 640;
const LASTING_SECONDS = 1; // of a label, before it is told of
const TOLD = 8;
const REFUSALS = {
  NotAllowedError: "camera_refused",
  NotFoundError: "camera_missing",
  OverconstrainedError: "camera_missing",
  NotReadableError: "camera_in_use",
};

export class CameraView {
  /** @type {MediaStream | undefined} */
  #stream;
  /** @type {Live | undefined} */
  #live;
  #began = 0;
  #answer = undefined;
  #candidate = { name: "", since: 0 };
  #past = [];

  /** @param {import("./api.js").Model[]} models */
  constructor(models) {
    this.models = models.filter((model) => model.live);
    this.picture = byId("camera-picture");
    this.scores = new ScoreTable(byId("camera-scores"), "camera-now");
    byId("camera-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    byId("camera-stop").addEventListener("click", () => {
      this.stop();
      byId("camera-start").focus();
    });
    byId("camera-model").append(...this.models.map((model) => element("option", { value: model.name }, model.name)));
    for (const id of ["camera-model", "camera-device"])
      byId(id).addEventListener("change", () => this.#stream && this.start());
  }

  /** Open the camera and the connection; anew where they are open. */
  async start() {
    this.stop();
    hideProblem();
    const model = this.models.find((one) => one.name === byId("camera-model").value);
    try {
      this.#stream = await openCamera(byId("camera-device").value);
      this.picture.srcObject = this.#stream;
      await this.picture.play();
    } catch (error) {
      this.stop();
      showProblem(error, { retry: () => this.start() });
      return;
    }
    await this.#listDevices();
    this.#began = performance.now();
    this.#past = [];
    this.#live = new Live(model, this.picture, {
      onAnswer: (answer) => this.#take(answer),
      onLost: (problem) => this.#lose(problem),
    });
    announce(text("camera.started"));
    this.#renderState();
    byId("camera-stop").focus();
  }

  /** Close both. */
  stop() {
    if (!this.#stream) return;
    this.#live?.close();
    for (const track of this.#stream.getTracks()) track.stop();
    this.#stream = this.#live = this.#answer = undefined;
    this.picture.srcObject = null;
    this.#candidate = { name: "", since: 0 };
    announce(text("camera.stopped"));
    this.#renderState();
  }

  /** Show the same in the words of the language. */
  render() {
    byId("camera-form").hidden = !this.models.length;
    byId("camera-off").textContent = text(this.models.length ? "camera.off" : "camera.no_models");
    this.scores.render();
    this.#renderState();
  }

  #lose(problem) {
    this.stop();
    if (problem.code === "unauthorized") openSession().then(() => this.start(), showProblem);
    else showProblem(problem, { retry: () => this.start() });
  }

  #take(answer) {
    this.#answer = answer;
    const [best] = answer.labels,
      seconds = (performance.now() - this.#began) / 1000;
    if (best && best.name !== this.#candidate.name) this.#candidate = { name: best.name, since: seconds };
    const isLasting = best && seconds - this.#candidate.since >= LASTING_SECONDS && this.#past[0]?.name !== best.name;
    if (isLasting) {
      this.#past = [{ ...best, at: this.#candidate.since }, ...this.#past].slice(0, TOLD);
      announce(`${best.name}, ${percent(best.score)}`);
    }
    this.#renderAnswer();
  }

  async #listDevices() {
    const devices = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
    const current = this.#stream?.getVideoTracks()[0]?.getSettings().deviceId;
    byId("camera-devices").hidden = devices.length < 2;
    byId("camera-device").replaceChildren(
      ...devices.map((one, place) =>
        element(
          "option",
          { value: one.deviceId, selected: one.deviceId === current },
          one.label || text("camera.device_unnamed", { number: place + 1 }),
        ),
      ),
    );
  }

  #renderState() {
    const isOn = Boolean(this.#stream);
    this.picture.hidden = !isOn;
    byId("camera-off").hidden = isOn;
    byId("camera-start").hidden = isOn;
    byId("camera-stop").hidden = !isOn;
    this.#renderAnswer();
  }

  #renderAnswer() {
    const answer = this.#answer;
    this.scores.show(answer?.labels ?? []);
    byId("camera-figures").textContent = answer
      ? text("camera.figures", {
          rate: decimal(answer.rate, 1),
          delay: milliseconds(answer.delaySeconds),
          dropped: decimal(answer.dropped, 0),
        })
      : this.#stream
        ? text("camera.waiting")
        : "";
    byId("camera-log").replaceChildren(
      ...this.#past.map((one) =>
        element(
          "li",
          {},
          element("span", { class: "times" }, clock(one.at)),
          element("span", { class: "name" }, one.name),
          element("span", { class: "score" }, percent(one.score)),
        ),
      ),
    );
  }
}

async function openCamera(deviceId) {
  if (!navigator.mediaDevices) throw new Problem("camera_insecure");
  const video = { width: { ideal: WIDTH }, ...(deviceId ? { deviceId: { exact: deviceId } } : {}) };
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    throw new Problem(REFUSALS[error.name] ?? "camera_in_use", error.message);
  }
}
