/**
 * Requests to the API. Each waits and tries again where the server is busy, as long as the server says; asks for the
 * token where one is needed; and rejects with a `Problem` for all that goes wrong.
 *
 * @typedef {{index: number, name: string, score: number}} Label
 * @typedef {{seconds: number, top: Label[]}} Step
 * @typedef {{start: number, end: number, index: number, name: string, score: number}} Event
 * @typedef {{model: string, labels: Label[], timeline: Step[], events: Event[]}} Result
 * @typedef {{word: string, start: number, end: number, score: number}} Word
 * @typedef {{model: string, text: string, score: number, coverage: number, words: Word[]}} Transcript
 * @typedef {{model: string, code: string, message: string}} Failure of a model where others have results
 * @typedef {{model: string, start_seconds: number, end_seconds: number, label: string}} Correction
 * @typedef {{id: string, name: string, status: string, place: number | null, progress: number,
 *   error: {code: string, message: string} | null, duration_seconds: number, expires_at: string, codec: string | null,
 *   results: Result[], transcripts: Transcript[], failures: Failure[], corrections: Correction[]}} Video
 * @typedef {{name: string, kind: string, classes: string[], step_hz: number, live: boolean, accuracy: number | null,
 *   word_error_rate: number | null, confusions: Record<string, [string, number][]>, report: string | null, live_hz?: number | null}} Model
 * @typedef {{max_upload_bytes: number, max_duration_seconds: number, retention_seconds: number, uris: boolean,
 *   uri_schemes: string[], corrections_kept: boolean}} Service
 * @typedef {{signal?: AbortSignal, onWait?: (seconds: number) => void}} Patience
 */

import { Problem, problemOf } from "./problem.js";
import { openSession } from "./session.js";

const RETRY_SECONDS = 5; // where the server names no time
const LONGEST_WAIT_SECONDS = 600; // together; then a person decides

/** The models of the server. @returns {Promise<Model[]>} */
export const models = () => request("GET", "v1/models");

/** What the server takes and keeps. @returns {Promise<Service>} */
export const service = () => request("GET", "v1/service");

/** Where a video stands, and its results. @param {string} id @param {Patience} patience @returns {Promise<Video>} */
export const video = (id, patience) => request("GET", pathOf(id), undefined, patience);

/** Have the server fetch a video. @param {string} uri @param {string[]} names of models @param {Patience} patience @returns {Promise<{id: string}>} */
export const fetchVideo = (uri, names, patience) => request("POST", "v1/videos", { uri, models: names }, patience);

/** Delete a video and its results. @param {string} id */
export const deleteVideo = (id) => request("DELETE", pathOf(id));

/** Keep what a label should have been; resolves to what is kept. @param {string} id @param {Correction} correction @returns {Promise<Correction>} */
export const correct = (id, correction) => request("POST", pathOf(id, "corrections"), correction);

/** The path of a video, or of something that belongs to it. @param {string} id @param {...string} names */
export const pathOf = (id, ...names) =>
  ["v1/videos", id, ...names].map((part, place) => (place ? encodeURIComponent(part) : part)).join("/");

/**
 * Do `attempt` until it does not fail for lack of time or of a token.
 * @template T @param {() => Promise<T>} attempt @param {Patience} patience @returns {Promise<T>}
 */
export async function persist(attempt, { signal, onWait } = {}) {
  for (let waited = 0; ;) {
    try {
      return await attempt();
    } catch (error) {
      const seconds = Math.max(error.retryAfterSeconds ?? RETRY_SECONDS, 1);
      if (error.code === "unauthorized") await openSession();
      else if (error.code === "busy" && waited + seconds <= LONGEST_WAIT_SECONDS)
        await countDown(seconds, signal, onWait);
      else throw error;
      waited += error.code === "busy" ? seconds : 0;
    }
  }
}

/** Wait for so many seconds, unless `signal` ends it. @param {number} seconds @param {AbortSignal} [signal] */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(done, seconds * 1000);
    const stop = () => (clearTimeout(timer), reject(signal?.reason));
    function done() {
      signal?.removeEventListener("abort", stop);
      resolve(undefined);
    }
    signal?.addEventListener("abort", stop, { once: true });
  });
}

async function countDown(seconds, signal, onWait) {
  for (let left = Math.ceil(seconds); left > 0; left -= 1) {
    onWait?.(left);
    await pause(1, signal);
  }
}

function request(method, path, content = undefined, patience = {}) {
  return persist(() => send(method, path, content, patience.signal), patience);
}

async function send(method, path, content, signal) {
  let answer, body;
  try {
    const isJson = content !== undefined;
    answer = await fetch(path, {
      method,
      signal,
      cache: "no-store",
      headers: isJson ? { "Content-Type": "application/json" } : {},
      body: isJson ? JSON.stringify(content) : undefined,
    });
    body = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new Problem("network", String(error));
  }
  if (!answer.ok) throw problemOf(answer.status, body, answer.headers.get("Retry-After"));
  return body ? JSON.parse(body) : undefined;
}
