/**
 * The results of a video: strips, the labels or the word of the moment, events or what is said, and what is known about
 * the model that is chosen.
 */

import { coloursOf } from "./colours.js";
import { isLow, LOW } from "./confidence.js";
import { Corrections } from "./correction.js";
import { byId, element } from "./element.js";
import { EventList } from "./events.js";
import { ModelCard } from "./model_card.js";
import { clock, duration, percent } from "./numbers.js";
import { wordsOf } from "./problem.js";
import { Said } from "./said.js";
import { ScoreTable } from "./scores.js";
import { Spoken } from "./spoken.js";
import { Strip } from "./strip.js";
import { text } from "./texts.js";
import { secondsByName, Timeline } from "./timeline.js";

const IN_LEGEND = 6;
const FEW_LABELS = 5;

export class Results {
  /** @type {import("./api.js").Video | undefined} */
  #video;
  #views = [];
  #current = 0;
  /** @type {number | null} */
  #pointed = null;
  #areAllShown = false;

  /**
   * @param {import("./api.js").Model[]} models @param {boolean} areCorrectionsKept
   * @param {import("./player.js").Player} player that seeking moves
   */
  constructor(models, areCorrectionsKept, player) {
    this.models = models;
    this.player = player;
    this.moment = new ScoreTable(byId("moment-scores"), "moment-title");
    this.whole = new ScoreTable(byId("whole-scores"), "whole-title");
    this.card = new ModelCard();
    this.corrections = new Corrections(areCorrectionsKept);
    this.events = new EventList({
      onSeek: (seconds) => this.player.seek(seconds),
      onCorrect: (event) => this.corrections.ask(this.#model, event),
    });
    this.said = new Said((seconds) => this.player.seek(seconds));
    byId("correct").addEventListener("click", () => this.#correct());
    byId("all-labels").addEventListener("click", () => {
      this.#areAllShown = !this.#areAllShown;
      this.#renderWhole();
    });
  }

  /** Show the results of a video. @param {import("./api.js").Video} video */
  show(video) {
    this.#video = video;
    const seconds = video.duration_seconds;
    const drafts = [
      ...video.results.map((result) => this.#labelled(result, seconds)),
      ...video.transcripts.map((transcript) => this.#read(transcript, seconds)),
      ...video.failures.map((failure) => ({ model: this.#known(failure.model), failure, pieces: [] })),
    ];
    const colourOf = coloursOf(
      drafts.filter((one) => one.result).flatMap((one) => [one.lasted, secondsByName(one.events)]),
    );
    this.#views = drafts.map((one, place) => {
      const colours = one.timeline instanceof Spoken ? one.timeline.colourOf : colourOf;
      const strip = one.pieces.length
        ? new Strip({
            model: one.model.name,
            timeline: one.timeline,
            events: one.events,
            drawn: one.drawn,
            pieces: one.pieces,
            colourOf: colours,
            none: one.none,
            hasName: drafts.length > 1,
            onSeek: (at) => (this.#choose(place), this.player.seek(at)),
            onPoint: (at) => this.#point(place, at),
          })
        : null;
      return { ...one, strip, colourOf: colours };
    });
    this.player.subtitles.offer(
      video.id,
      video.transcripts.map((one) => one.model),
    );
    this.#current = 0;
    this.#areAllShown = false;
    this.corrections.show(video);
    this.#renderStrips();
    this.#renderParts();
  }

  /** What the server told of a model, which it may have forgotten. @param {string} name */
  #known(name) {
    return (
      this.models.find((one) => one.name === name) ?? {
        name,
        kind: "",
        classes: [],
        step_hz: 0,
        live: false,
        accuracy: null,
        word_error_rate: null,
        confusions: {},
        report: null,
      }
    );
  }

  /** The view of a classifier. @param {import("./api.js").Result} result @param {number} seconds of the video */
  #labelled(result, seconds) {
    const model = this.#known(result.model),
      timeline = new Timeline(result, seconds, model.step_hz),
      pieces = timeline.pieces();
    // The last step may reach beyond the end of the video.
    const events = result.events.map((event) => ({ ...event, end: Math.min(event.end, seconds) }));
    return {
      result,
      model,
      timeline,
      pieces,
      events,
      drawn: events,
      none: "strip.nothing",
      lasted: secondsByName(pieces),
    };
  }

  /** The view of a lip reader. @param {import("./api.js").Transcript} transcript @param {number} seconds of the video */
  #read(transcript, seconds) {
    const timeline = new Spoken(transcript, seconds),
      { words } = timeline;
    const model = this.#known(transcript.model);
    return { transcript, model, timeline, pieces: words, events: words, drawn: timeline.named(), none: "strip.no_word" };
  }

  /** Show nothing. */
  clear() {
    this.#video = undefined;
    this.#views = [];
    this.#renderStrips();
    this.#renderParts();
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

  /** The playhead has moved. @param {number} seconds */
  tick(seconds) {
    for (const { strip } of this.#views) strip?.show(seconds);
    if (this.#view?.transcript) this.said.mark(seconds);
    else if (this.#view?.result) this.events.mark(seconds);
    this.#renderMoment();
  }

  #correct() {
    const at = Math.min(this.player.seconds, this.#video.duration_seconds),
      [best] = this.#labelsAt(at);
    const what = this.#view.strip ? this.#view.timeline.span(at) : { start: 0, end: this.#video.duration_seconds };
    this.corrections.ask(this.#model, { ...what, ...(best && { name: best.name, score: best.score }) });
  }

  /** The labels of a time; those of the whole video where the model has no timeline. */
  #labelsAt(seconds) {
    return this.#view.strip ? this.#view.timeline.at(seconds) : (this.#view.result?.labels ?? []);
  }

  /** Show the same in the words of the language. */
  render() {
    for (const one of [this.moment, this.whole, this.corrections]) one.render();
    this.#renderStrips();
    this.#renderParts();
  }

  /** Not whenever another model is chosen: a strip that is put in its place anew loses focus and pointer. */
  #renderStrips() {
    for (const { strip } of this.#views) strip?.render();
    byId("strips").replaceChildren(
      ...this.#views.map(
        (one) =>
          one.strip?.root ??
          element(
            "p",
            { class: "note" },
            text(one.result ? "video.no_timeline" : "video.not_read", { model: one.model.name }),
          ),
      ),
    );
    byId("strip-help").hidden = !this.#views.some((one) => one.strip);
  }

  #renderParts() {
    const isDone = Boolean(this.#view);
    for (const id of ["now", "more"]) byId(id).hidden = !isDone;
    for (const id of ["events", "whole"]) byId(id).hidden = !this.#view?.result;
    byId("said").hidden = !isDone || Boolean(this.#view.result);
    byId("legend").replaceChildren();
    byId("model-switch").hidden = this.#views.length < 2;
    if (!isDone) return;
    this.#renderSwitch();
    this.#views.forEach((one, place) => one.strip?.mark(this.#views.length > 1 && place === this.#current));
    byId("moment").hidden = !this.#view.strip;
    this.card.show(this.#model, this.#video.id, { hasFiles: !this.#view.failure });
    if (this.#view.result) this.#renderLabelled();
    else this.#renderSaid();
    this.tick(this.player.seconds);
  }

  #renderLabelled() {
    this.#renderLegend();
    this.events.show(this.#view.events, this.#view.colourOf);
    this.#renderWhole();
  }

  /** What a lip reader has read, or why it has read nothing. */
  #renderSaid() {
    const { transcript, timeline, failure, model } = this.#view;
    byId("said-text").hidden = Boolean(failure);
    if (transcript) this.said.show(transcript, timeline);
    else {
      const { title, remedy } = wordsOf(failure);
      byId("said-note").textContent = `${title}. ${remedy}`;
    }
    this.player.subtitles.choose(model.name);
  }

  #renderSwitch() {
    const root = byId("model-switch"),
      [legend] = root.children;
    const hadFocus = root.contains(document.activeElement);
    root.replaceChildren(
      legend,
      ...this.#views.map(({ model }, place) => {
        const radio = element("input", {
          type: "radio",
          name: "model",
          checked: place === this.#current,
          onchange: () => this.#choose(place),
        });
        return element("label", {}, radio, element("span", {}, model.name));
      }),
    );
    if (hadFocus) root.querySelector(":checked").focus();
  }

  #renderLegend() {
    const { lasted, colourOf } = this.#view,
      names = [...lasted.keys()].filter((name) => colourOf(name) !== "hue-0").slice(0, IN_LEGEND);
    const items = names.map((name) =>
      element(
        "li",
        {},
        element("i", { class: `swatch ${colourOf(name)}` }),
        name,
        " ",
        element("b", {}, duration(lasted.get(name))),
      ),
    );
    const others = lasted.size - names.length;
    if (others)
      items.push(element("li", {}, element("i", { class: "swatch hue-0" }), text("video.others", { count: others })));
    byId("legend").replaceChildren(...items);
  }

  /** Of a model that has failed, there is nothing; other strips can be used all the same. */
  #renderMoment() {
    if (!this.#view?.timeline) return;
    const isPointed = this.#pointed !== null,
      seconds = this.#pointed ?? this.player.seconds,
      labels = this.#labelsAt(seconds),
      isRead = Boolean(this.#view.transcript);
    byId("moment-title").textContent = text(isPointed ? "moment.pointer" : "moment.at", {
      time: clock(seconds, this.#view.timeline.stepSeconds < 1),
    });
    byId("moment-note").textContent =
      labels.length && isLow(labels[0].score) && !isRead ? text("moment.low", { threshold: percent(LOW) }) : "";
    this.moment.show(labels, isRead ? "scores.no_word" : "scores.none");
    byId("correct").hidden = isRead;
    byId("no-correction").hidden = !isRead;
    this.card.about(labels[0]?.name ?? "");
  }

  #renderWhole() {
    const { labels } = this.#view.result,
      more = byId("all-labels");
    this.whole.show(this.#areAllShown ? labels : labels.slice(0, FEW_LABELS));
    more.hidden = labels.length <= FEW_LABELS;
    more.textContent = this.#areAllShown ? text("scores.fewer") : text("scores.all", { count: labels.length });
  }
}
