/** Where a video comes from: a file that is chosen or dropped, or an address; and the models that label it. */

import { byId, element } from "./element.js";
import { factsOf } from "./model_card.js";
import { duration, size } from "./numbers.js";
import { hideProblem, Problem, showProblem } from "./problem.js";
import { language, text } from "./texts.js";

export class StartView {
  #left = new Set(); // models that are not wanted

  /**
   * @param {{models: import("./api.js").Model[], service: Partial<import("./api.js").Service>,
   *   onFile: (file: File, models: string[]) => void, onAddress: (uri: string, models: string[]) => void}} parts
   */
  constructor(parts) {
    this.parts = parts;
    const file = byId("file");
    file.addEventListener("change", () => {
      const [chosen] = file.files;
      file.value = ""; // the same file can be chosen again
      if (chosen) this.#take(chosen);
    });
    byId("address-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#takeAddress();
    });
    this.#listenForDrops();
  }

  get title() {
    const { models } = this.parts;
    const isForLips = models.length > 0 && models.every((model) => model.kind === "lips");
    return text(isForLips ? "start.title_lips" : "start.title");
  }

  /** Show the same in the words of the language. */
  render() {
    const { service, models } = this.parts;
    byId("start-title").textContent = this.title;
    byId("limits").textContent = service.max_upload_bytes
      ? text("start.limits", {
          size: size(service.max_upload_bytes),
          duration: duration(service.max_duration_seconds),
          retention: duration(service.retention_seconds),
        })
      : "";
    byId("address-form").hidden = !service.uris;
    byId("address-note").textContent = text("start.address_note", {
      schemes: (service.uri_schemes ?? []).map((scheme) => `${scheme}://`).join(", "),
    });
    byId("models").hidden = !models.length;
    byId("model-choice").replaceChildren(...models.map((model) => this.#choice(model)));
    byId("to-camera-note").hidden = !models.some((model) => model.live);
  }

  #choice(model) {
    const box = element("input", {
      type: "checkbox",
      checked: !this.#left.has(model.name),
      onchange: () => (box.checked ? this.#left.delete(model.name) : this.#left.add(model.name)),
    });
    return element(
      "li",
      {},
      element(
        "label",
        {},
        box,
        element("span", { class: "name" }, model.name),
        element("span", { class: "note" }, factsOf(model)),
      ),
    );
  }

  /** The models that are wanted; tells of it where there are none. @returns {string[]} */
  #chosen() {
    const names = this.parts.models.map((model) => model.name).filter((name) => !this.#left.has(name));
    if (!names.length) showProblem(new Problem("invalid", text("start.models_missing"), { lang: language() }));
    return names;
  }

  #take(file) {
    hideProblem();
    const limit = this.parts.service.max_upload_bytes,
      names = this.#chosen();
    if (!names.length) return;
    if (!file.size) showProblem(new Problem("empty", file.name));
    else if (limit && file.size > limit)
      showProblem(
        new Problem("too_large", text("start.too_large", { size: size(file.size), limit: size(limit) }), {
          lang: language(),
        }),
      );
    else this.parts.onFile(file, names);
  }

  #takeAddress() {
    hideProblem();
    const field = byId("address"),
      uri = field.value.trim(),
      names = this.#chosen();
    if (!uri) showProblem(new Problem("uri_refused", text("start.address_missing"), { lang: language() }));
    else if (names.length) this.parts.onAddress(uri, names);
  }

  /** Files can be dropped anywhere on the page, from any view: the browser would leave the page for them. */
  #listenForDrops() {
    const drop = byId("drop");
    const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
    for (const name of ["dragenter", "dragover"]) {
      document.addEventListener(name, (event) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        drop.classList.add("over");
      });
    }
    document.addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
    document.addEventListener("drop", (event) => {
      drop.classList.remove("over");
      if (!holdsFiles(event)) return;
      event.preventDefault();
      const [file] = event.dataTransfer.files;
      if (file) this.#take(file);
    });
  }
}
