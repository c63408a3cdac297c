/** Work on a video, watched until it ends. */

import { pause, video } from "./api.js";
import { Problem } from "./problem.js";

const ENDS = ["done", "failed", "deleted"];
const FIRST_PAUSE_SECONDS = 0.3;
const LONGEST_PAUSE_SECONDS = 2;

/**
 * Ask for a video until it is done, and tell `onChange` of each answer. Rejects where the work fails.
 * @param {string} id
 * @param {import("./api.js").Patience & {onChange: (video: import("./api.js").Video) => void}} how
 * @returns {Promise<import("./api.js").Video>}
 */
export async function watchWork(id, how) {
  for (let seconds = FIRST_PAUSE_SECONDS; ; seconds = Math.min(seconds * 1.3, LONGEST_PAUSE_SECONDS)) {
    const found = await video(id, how);
    how.onChange(found);
    if (ENDS.includes(found.status)) {
      if (found.status === "done") return found;
      throw new Problem(found.error?.code ?? found.status, found.error?.message);
    }
    await pause(seconds, how.signal);
  }
}
