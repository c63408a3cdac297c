/** A video: on its way to the server, in work, and with its results. */

import { deleteVideo, fetchVideo } from "./api.js";
import { announce, byId } from "./element.js";
import { duration, fromNow } from "./numbers.js";
import { Player } from "./player.js";
import { hideProblem, showProblem } from "./problem.js";
import { Progress } from "./progress.js";
import { Results } from "./results.js";
import { text } from "./texts.js";
import { upload } from "./upload.js";
import { watchWork } from "./work.js";

export class VideoView {
  /** @type {AbortController} */
  #work = new AbortController();
  /** @type {string | undefined} */
  #id;
  #name = "";
  #isUploading = false;
  /** @type {import("./api.js").Video | undefined} */
  #video;

  /**
   * @param {{models: import("./api.js").Model[], service: import("./api.js").Service, onAddress: (hash: string) => void,
   *   onEnd: () => void, onFail: (error: unknown, more: {retry: () => void, about: string}) => void}} parts
   */
  constructor(parts) {
    this.parts = parts;
    this.player = new Player((seconds) => this.results.tick(seconds));
    this.progress = new Progress(() => this.#cancel());
    this.results = new Results(parts.models, parts.service.corrections_kept, this.player);
    byId("delete").addEventListener("click", () => this.#delete());
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
    this.#begin(file.name, "upload");
    this.player.openFile(file);
    const { signal } = this.#work;
    this.#follow(
      () =>
        upload(file, models, {
          signal,
          onProgress: (sent, total) => this.progress.sent(sent, total),
          onWait: (seconds) => this.progress.wait(seconds),
        }),
      () => this.openFile(file, models),
    );
  }

  /** Have the server fetch a video and show its results. @param {string} uri @param {string[]} models */
  openAddress(uri, models) {
    this.#begin(uri, "fetching");
    const { signal } = this.#work;
    this.#follow(
      () => fetchVideo(uri, models, { signal, onWait: (seconds) => this.progress.wait(seconds) }),
      () => this.openAddress(uri, models),
    );
  }

  /** Show a video that the server has. @param {string} id */
  open(id) {
    if (id === this.#id) return;
    this.#begin("", "");
    this.#id = id;
    this.#follow(
      () => Promise.resolve({ id }),
      () => this.open(id),
    );
  }

  /** Stop what makes sounds while another view is shown. */
  leave() {
    this.player.picture.pause();
  }

  #begin(name, way) {
    this.#work.abort();
    this.#work = new AbortController();
    this.#reset();
    this.#setName(name || "…");
    hideProblem();
    this.progress.begin(way);
    this.#isUploading = way === "upload";
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
          if (found.status !== "fetching") this.player.serve(id);
        },
      });
      this.progress.end();
      this.#video = video;
      this.player.open(video);
      this.results.show(video);
      this.#renderFacts();
      announce(text("video.done"));
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
    const outlast = this.parts.service.corrections_kept;
    byId("delete-lead").textContent = text(outlast ? "video.delete_lead" : "video.delete_lead_all");
    dialog.addEventListener(
      "close",
      async () => {
        if (dialog.returnValue !== "delete") return;
        try {
          await deleteVideo(this.#id);
          this.#forget();
          announce(text("video.deleted"));
        } catch (error) {
          showProblem(error);
        }
      },
      { once: true },
    );
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
    this.results.clear();
    this.#renderFacts();
  }

  /** Show the same in the words of the language. */
  render() {
    for (const one of [this.player, this.progress, this.results]) one.render();
    this.#renderFacts();
  }

  #renderFacts() {
    const video = this.#video;
    byId("delete").hidden = !video;
    byId("video-facts").textContent = video
      ? text("video.facts", { duration: duration(video.duration_seconds), when: fromNow(new Date(video.expires_at)) })
      : "";
  }
}
