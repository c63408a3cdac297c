/**
 * The page: its views by the address (`#`, `#video=ID`, `#camera`), its language, and what the server offers.
 * A view that is left goes on: an upload does not end because somebody looks at the camera.
 */

import { models, service } from "./api.js";
import { CameraView } from "./camera_view.js";
import { byId, element } from "./element.js";
import { hideProblem, render as renderProblem, showProblem } from "./problem.js";
import { StartView } from "./start_view.js";
import { LANGUAGES, language, preferredLanguage, text, useLanguage } from "./texts.js";
import { VideoView } from "./video_view.js";

/** @type {Pages | undefined} */
let pages;

/** The views, of which one is shown. */
class Pages {
  #shown = "";

  /** @param {import("./api.js").Model[]} found @param {import("./api.js").Service} offered */
  constructor(found, offered) {
    this.video = new VideoView({
      models: found,
      service: offered,
      onAddress: (address) => {
        if (this.#shown === "video" && address) history.replaceState(null, "", address);
        this.#name();
      },
      onEnd: () => this.#go(""),
      onFail: (error, more) => this.#fail(error, more),
    });
    this.start = new StartView({
      models: found,
      service: offered,
      onFile: (file, names) => this.#begin(() => this.video.openFile(file, names)),
      onAddress: (uri, names) => this.#begin(() => this.video.openAddress(uri, names)),
    });
    this.camera = new CameraView(found);
    addEventListener("hashchange", () => this.#route());
    addEventListener("beforeunload", (event) => this.video.isUploading && event.preventDefault());
    this.render();
    this.#route();
  }

  /** Show the same in the words of the language. */
  render() {
    for (const view of [this.start, this.video, this.camera]) view.render();
    this.#name();
  }

  #route() {
    const [asked, id] = location.hash.slice(1).split("=");
    if (asked === "video" && id) this.video.open(decodeURIComponent(id));
    const next = asked === "camera" || (asked === "video" && this.video.address) ? asked : "start";
    const before = this.#shown;
    this.#shown = next;
    this.#name();
    if (next === before) return;
    if (before === "video") this.video.leave();
    if (before === "camera") this.camera.stop();
    for (const view of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".view")))
      view.hidden = view.id !== next;
    if (!before) return;
    scrollTo(0, 0);
    byId(next).querySelector("h1").focus({ preventScroll: true });
    hideProblem();
  }

  /** Show what is at an address, now: the event of its change comes later. */
  #go(address) {
    location.hash = address;
    this.#route();
  }

  #begin(start) {
    start();
    this.#go(this.video.address);
  }

  /** Tell what became of a video where another one can be chosen; whoever looks at the camera stays there. */
  #fail(error, { retry, about }) {
    if (this.#shown === "video") this.#go("");
    showProblem(error, { retry: () => this.#begin(retry), about });
  }

  /** Title of the page, and the links to the views. */
  #name() {
    const titles = { start: this.start.title, video: this.video.title, camera: text("camera.title") };
    document.title = `${titles[this.#shown || "start"]} · Framemill`;
    byId("to-start").href = this.video.address || "#";
    byId("to-start").ariaCurrent = this.#shown === "camera" ? null : "page";
    byId("to-camera").ariaCurrent = this.#shown === "camera" ? "page" : null;
  }
}

function offerLanguages() {
  const choice = byId("language");
  choice.append(
    ...Object.entries(LANGUAGES).map(([code, own]) =>
      element("option", { value: code, lang: code, selected: code === language() }, own),
    ),
  );
  choice.addEventListener("change", async () => {
    await useLanguage(choice.value, true);
    pages?.render();
    renderProblem();
  });
}

await useLanguage(preferredLanguage());
offerLanguages();
try {
  pages = new Pages(...(await Promise.all([models(), service()])));
} catch (error) {
  showProblem(error, { retry: () => location.reload() });
}
