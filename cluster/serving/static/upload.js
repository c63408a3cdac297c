/** The upload of a file: its progress, its end, and its cancellation. */

import { persist } from "./api.js";
import { Problem, problemOf } from "./problem.js";

/**
 * Upload a file; resolves to what the server calls it.
 * @param {File} file
 * @param {string[]} models names
 * @param {{signal: AbortSignal, onWait: (seconds: number) => void, onProgress: (sent: number, total: number) => void}} how
 * @returns {Promise<{id: string}>}
 */
export function upload(file, models, how) {
  return persist(() => send(file, models, how), how);
}

function send(file, models, { signal, onProgress }) {
  // `fetch` does not tell how much of a body is sent.
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest(),
      form = new FormData();
    form.append("models", models.join(","));
    form.append("file", file, file.name);
    const stop = () => request.abort();
    signal.addEventListener("abort", stop, { once: true });
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(problemOf(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    });
    request.addEventListener("error", () => reject(new Problem("network")));
    request.addEventListener("abort", () => reject(signal.reason));
    request.addEventListener("loadend", () => signal.removeEventListener("abort", stop));
    request.open("POST", "v1/videos");
    request.send(form);
  });
}
