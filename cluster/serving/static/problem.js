/** What went wrong, by the codes of the API and some of the page's own, and how it is told. */

import { byId, element } from "./element.js";
import { hasText, text } from "./texts.js";

/** An error of the server or of this page. `code` chooses the words; `message` has the particulars, as does a server in English. */
export class Problem extends Error {
  /** @param {string} code @param {string} [message] @param {{retryAfterSeconds?: number, lang?: string}} [more] */
  constructor(code, message = "", { retryAfterSeconds, lang = "en" } = {}) {
    super(message);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
    this.lang = lang;
  }
}

const BY_STATUS = {
  401: "unauthorized",
  404: "not_found",
  410: "deleted",
  413: "too_large",
  415: "not_media",
  422: "invalid",
  429: "busy",
  503: "busy",
};

/**
 * The problem that an answer of the API tells of.
 * @param {number} status of HTTP
 * @param {string} body `{"error": {"code", "message"}}`, or whatever a proxy has put in its place
 * @param {string | null} retryAfter header
 */
export function problemOf(status, body, retryAfter) {
  let error;
  try {
    error = JSON.parse(body).error;
  } catch {
    // words of a proxy are no words for a person
  }
  const code = error?.code ?? BY_STATUS[status] ?? (status >= 500 ? "internal" : "unknown");
  const seconds = Number(retryAfter);
  return new Problem(code, error?.message ?? `HTTP ${status}`, {
    retryAfterSeconds: retryAfter && seconds >= 0 ? seconds : undefined,
  });
}

/** What to say about something that was thrown: as it is where it is a problem, else as an unknown one. */
export const asProblem = (error) => (error instanceof Problem ? error : new Problem("unknown", String(error)));

/** Title and remedy of a problem. @param {{code: string}} problem */
export function wordsOf(problem) {
  const code = hasText(`errors.${problem.code}`) ? problem.code : "unknown";
  return { title: text(`errors.${code}.title`), remedy: text(`errors.${code}.remedy`) };
}

// Where the same again may succeed.
const RETRY_HELPS = new Set([
  "unknown",
  "network",
  "internal",
  "busy",
  "unauthorized",
  "timeout",
  "storage",
  "worker_died",
  "not_ready",
  "live_lost",
  "camera_refused",
  "camera_missing",
  "camera_in_use",
]);

let shown;

/**
 * Show a problem above the view, with a way to try again where that may help, and move the focus there.
 * @param {unknown} error @param {{retry?: () => void, about?: string}} [more] `about` names the video that it is about
 */
export function showProblem(error, { retry, about = "" } = {}) {
  const problem = asProblem(error);
  shown = { problem, about, retry: RETRY_HELPS.has(problem.code) ? retry : undefined };
  render();
  byId("problem").querySelector("[tabindex]").focus();
}

/** Take the problem away. */
export function hideProblem() {
  shown = undefined;
  render();
}

/** Show it in the words of the language. */
export function render() {
  const box = byId("problem");
  box.hidden = !shown;
  box.replaceChildren();
  if (!shown) return;
  const { title, remedy } = wordsOf(shown.problem),
    { retry, about } = shown;
  const actions = element("div", { class: "actions" });
  if (retry)
    actions.append(
      element(
        "button",
        { type: "button", class: "button", onclick: () => (hideProblem(), retry()) },
        text("page.retry"),
      ),
    );
  actions.append(element("button", { type: "button", class: "button quiet", onclick: close }, text("page.close")));
  box.append(
    element(
      "div",
      { class: "banner bad", role: "alert", "data-code": shown.problem.code },
      element("h2", { tabindex: "-1" }, title),
      element("p", { class: "about", hidden: !about }, about),
      element("p", {}, remedy),
      element(
        "p",
        { lang: shown.problem.lang, class: "message", hidden: !shown.problem.message },
        shown.problem.message,
      ),
      actions,
    ),
  );
}

function close() {
  hideProblem();
  /** @type {HTMLElement | null} */ (document.querySelector(".view:not([hidden]) h1"))?.focus();
}
