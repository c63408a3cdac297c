/** A video: on its way to the server, in work, and with its results. */

import { deleteVideo, fetchVideo } from "./api.js";
import { coloursOf } from "./colours.js";
import { isLow, LOW } from "./confidence.js";
import { Corrections } from "./correction.js";
import { announce, byId, element } from "./element.js";
import { EventList } from "./events.js";
import { ModelCard } from "./model_card.js";
import { clock, duration, fromNow, percent } from "./numbers.js";
import { Player } from "./player.js";
import { hideProblem, showProblem } from "./problem.js";
import { Progress } from "./progress.js";
import { ScoreTable } from "./scores.js";
import { Strip } from "./strip.js";
import { text } from "./texts.js";
import { secondsByName, Timeline } from "./timeline.js";
import { upload } from "./upload.js";
import { watchWork } from "./work.js";

const IN_LEGEND = 6;
const FEW_LABELS = 5;

export class VideoView {
  /** @type {AbortController} */
  #work = new AbortController();
  /** @type {string | undefined} */
  #id;
  #name = "";
  #isUploading = false;
  /** @type {import("./api.js").Video | undefined} */
  #video;
  #views = [];
  #current = 0;
  /** @type {number | null} */
  #pointed = null;
  #areAllShown = false;

  /**
   * @param {{models: import("./api.js").Model[], service: import("./api.js").Service, onAddress: (hash: string) => void,
   *   onEnd: () => void, onFail: (error: unknown, more: {retry: () => void, about: string}) => void}} parts
   */
  constructor(parts) {
    this.parts = parts;
    this.player = new Player((seconds) => this.#tick(seconds));
    this.progress = new Progress(() => this.#cancel());
    this.moment = new ScoreTable(byId("moment-scores"), "moment-title");
    this.whole = new ScoreTable(byId("whole-scores"), "whole-title");
    this.card = new ModelCard();
    this.corrections = new Corrections(parts.service.corrections_kept);
    this.events = new EventList({ onSeek: (seconds) => this.player.seek(seconds), onCorrect: (event) => this.corrections.ask(this.#model, event) });
    byId("correct").addEventListener("click", () => this.#correct());
    byId("delete").addEventListener("click", () => this.#delete());
    byId("all-labels").addEventListener("click", () => {
      this.#areAllShown = !this.#areAllShown;
      this.#renderWhole();
    });
  }

  /** The address of what is shown: that of a video, or of one that has none yet; nothing where nothing is shown. */
  get address() {
    return this.#id ? `#video=${this.#id}` : this.#name ? "#video" : "";
  }

  get title() {
    return this.#name;
  }

  /** Whether the file would be lost with the page. */
  get isUploading() {
    return this.#isUploading;
  }

  /** Upload a file and show its results. @param {File} file @param {string[]} models */
  openFile(file, models) {
    this.#begin(file.name, true);
    this.player.openFile(file);
    const { signal } = this.#work;
    this.#follow(() => upload(file, models, { signal, onProgress: (sent, total) => this.progress.sent(sent, total), onWait: (seconds) => this.progress.wait(seconds) }),
      () => this.openFile(file, models));
  }

  /** Have the server fetch a video and show its results. @param {string} uri @param {string[]} models */
  openAddress(uri, models) {
    this.#begin(uri, false);
    const { signal } = this.#work;
    this.#follow(() => fetchVideo(uri, models, { signal, onWait: (seconds) => this.progress.wait(seconds) }), () => this.openAddress(uri, models));
  }

  /** Show a video that the server has. @param {string} id */
  open(id) {
    if (id === this.#id) return;
    this.#begin("", false);
    this.#id = id;
    this.#follow(() => Promise.resolve({ id }), () => this.open(id));
  }

  /** Stop what makes sounds while another view is shown. */
  leave() {
    this.player.picture.pause();
  }

  #begin(name, isUpload) {
    this.#work.abort();
    this.#work = new AbortController();
    this.#id = this.#video = undefined;
    this.#views = [];
    this.player.close();
    this.#setName(name || "…");
    hideProblem();
    this.#renderParts();
    this.progress.begin(isUpload);
    this.#isUploading = isUpload;
  }

  async #follow(begin, retry) {
    const { signal } = this.#work;
    try {
      const { id } = await begin();
      this.#isUploading = false;
      this.#id = id;
      this.parts.onAddress(this.address);
      const video = await watchWork(id, {
        signal,
        onWait: (seconds) => this.progress.wait(seconds),
        onChange: (found) => {
          this.#setName(found.name);
          this.progress.follow(found);
        },
      });
      this.#show(video);
    } catch (error) {
      if (signal.aborted) return;
      const about = this.#name;
      this.#reset();
      this.parts.onFail(error, { retry, about });
    }
  }

  #setName(name) {
    if (name === this.#name) return;
    this.#name = name;
    byId("video-title").textContent = name;
    this.parts.onAddress(this.address);
  }

  /** @param {import("./api.js").Video} video */
  #show(video) {
    this.#video = video;
    this.progress.end();
    const seconds = video.duration_seconds;
    const drafts = video.results.map((result) => {
      const model = this.parts.models.find((one) => one.name === result.model)
        ?? { name: result.model, kind: "", classes: [], step_hz: 0, live: false, live_hz: null, accuracy: null, confusions: {}, report: null };
      const timeline = new Timeline(result, seconds, model.step_hz), pieces = timeline.pieces();
      // The last step may reach beyond the end of the video.
      const events = result.events.map((event) => ({ ...event, end: Math.min(event.end, seconds) }));
      return { result: { ...result, events }, model, timeline, pieces, lasted: secondsByName(pieces) };
    });
    const colourOf = coloursOf(drafts.flatMap((one) => [one.lasted, secondsByName(one.result.events)]));
    this.#views = drafts.map((one, place) => {
      const strip = one.pieces.length ? new Strip({
        model: one.model.name, timeline: one.timeline, events: one.result.events, pieces: one.pieces, colourOf, hasName: drafts.length > 1,
        onSeek: (at) => (this.#choose(place), this.player.seek(at)),
        onPoint: (at) => this.#point(place, at),
      }) : null;
      return { ...one, strip, colourOf };
    });
    this.#current = 0;
    this.#areAllShown = false;
    this.player.open(video);
    this.corrections.show(video);
    this.#renderParts();
    announce(text("video.done"));
  }

  get #view() {
    return this.#views[this.#current];
  }

  get #model() {
    return this.#view.model;
  }

  /** Make the page about another model. */
  #choose(place) {
    if (place === this.#current) return;
    this.#current = place;
    this.#areAllShown = false;
    this.#renderParts();
  }

  /** Show the labels under the pointer, or those of the playhead. */
  #point(place, seconds) {
    this.#pointed = place === this.#current ? seconds : null;
    this.#renderMoment();
  }

  #tick(seconds) {
    for (const { strip } of this.#views) strip?.show(seconds);
    if (!this.#view) return;
    this.events.mark(seconds);
    this.#renderMoment();
  }

  #correct() {
    const at = Math.min(this.player.seconds, this.#video.duration_seconds), [best] = this.#labelsAt(at);
    const what = this.#view.strip ? this.#view.timeline.span(at) : { start: 0, end: this.#video.duration_seconds };
    this.corrections.ask(this.#model, { ...what, ...(best && { name: best.name, score: best.score }) });
  }

  /** The labels of a time; those of the whole video where the model has no timeline. */
  #labelsAt(seconds) {
    return this.#view.strip ? this.#view.timeline.at(seconds) : this.#view.result.labels;
  }

  async #cancel() {
    const id = this.#id;
    this.#work.abort();
    this.#forget();
    announce(text("progress.cancelled"));
    if (id) await deleteVideo(id).catch(() => undefined); // it is deleted anyway when its time is over
  }

  #delete() {
    const dialog = byId("delete-dialog");
    dialog.returnValue = "keep"; // as the Escape key means
    dialog.addEventListener("close", async () => {
      if (dialog.returnValue !== "delete") return;
      try {
        await deleteVideo(this.#id);
        this.#forget();
        announce(text("video.deleted"));
      } catch (error) {
        showProblem(error);
      }
    }, { once: true });
    dialog.showModal();
  }

  #forget() {
    this.#reset();
    this.parts.onEnd();
  }

  #reset() {
    this.player.close();
    this.progress.end();
    this.#id = this.#video = undefined;
    this.#name = "";
    this.#isUploading = false;
    this.#views = [];
    this.#renderParts();
  }

  /** Show the same in the words of the language. */
  render() {
    for (const one of [this.player, this.progress, this.moment, this.whole, this.corrections]) one.render();
    for (const { strip } of this.#views) strip?.render();
    this.#renderParts();
  }

  #renderParts() {
    const isDone = Boolean(this.#view);
    for (const id of ["now", "events", "more", "delete"]) byId(id).hidden = !isDone;
    byId("video-facts").textContent = isDone ? text("video.facts", { duration: duration(this.#video.duration_seconds), when: fromNow(new Date(this.#video.expires_at)) }) : "";
    byId("strips").replaceChildren(...this.#views.map((one) => one.strip?.root ?? element("p", { class: "note" }, text("video.no_timeline", { model: one.model.name }))));
    byId("legend").replaceChildren();
    byId("strip-help").hidden = !this.#views.some((one) => one.strip);
    byId("model-switch").hidden = this.#views.length < 2;
    if (!isDone) return;
    this.#renderSwitch();
    this.#renderLegend();
    this.#views.forEach((one, place) => {
      one.strip?.mark(this.#views.length > 1 && place === this.#current);
      one.strip?.render();
    });
    byId("moment").hidden = !this.#view.strip;
    this.events.show(this.#view.result.events, this.#view.colourOf);
    this.card.show(this.#model, this.#video.id);
    this.#renderWhole();
    this.#tick(this.player.seconds);
  }

  #renderSwitch() {
    const root = byId("model-switch"), [legend] = root.children;
    const hadFocus = root.contains(document.activeElement);
    root.replaceChildren(legend, ...this.#views.map(({ model }, place) => {
      const radio = element("input", { type: "radio", name: "model", checked: place === this.#current, onchange: () => this.#choose(place) });
      return element("label", {}, radio, element("span", {}, model.name));
    }));
    if (hadFocus) root.querySelector(":checked").focus();
  }

  #renderLegend() {
    const { lasted, colourOf } = this.#view, names = [...lasted.keys()].filter((name) => colourOf(name) !== "hue-0").slice(0, IN_LEGEND);
    const items = names.map((name) => element("li", {}, element("i", { class: `swatch ${colourOf(name)}` }), name, " ", element("b", {}, duration(lasted.get(name)))));
    const others = lasted.size - names.length;
    if (others) items.push(element("li", {}, element("i", { class: "swatch hue-0" }), text("video.others", { count: others })));
    byId("legend").replaceChildren(...items);
  }

  #renderMoment() {
    const isPointed = this.#pointed !== null, seconds = this.#pointed ?? this.player.seconds, labels = this.#labelsAt(seconds);
    byId("moment-title").textContent = text(isPointed ? "moment.pointer" : "moment.at", { time: clock(seconds, this.#view.timeline.stepSeconds < 1) });
    byId("moment-note").textContent = labels.length && isLow(labels[0].score) ? text("moment.low", { threshold: percent(LOW) }) : "";
    this.moment.show(labels);
    this.card.about(labels[0]?.name ?? "");
  }

  #renderWhole() {
    const { labels } = this.#view.result, more = byId("all-labels");
    this.whole.show(this.#areAllShown ? labels : labels.slice(0, FEW_LABELS));
    more.hidden = labels.length <= FEW_LABELS;
    more.textContent = this.#areAllShown ? text("scores.fewer") : text("scores.all", { count: labels.length });
  }
}
