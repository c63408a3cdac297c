/**
 * The token of a server that wants one. It is exchanged for a cookie that scripts cannot read, which links, the player
 * and WebSockets send as well; this page keeps nothing.
 */

import { byId } from "./element.js";
import { Problem, problemOf } from "./problem.js";
import { text } from "./texts.js";

/** @type {Promise<void> | undefined} */
let asking;

/** Ask the person for the token until the server takes it. Rejects where they cancel. */
export function openSession() {
  asking ??= ask().finally(() => {
    asking = undefined;
  });
  return asking;
}

function ask() {
  const dialog = byId("token-dialog"),
    field = byId("token"),
    problem = byId("token-problem"),
    form = dialog.querySelector("form");
  return new Promise((resolve, reject) => {
    const gate = new AbortController(),
      { signal } = gate;
    let isOpen = false;

    function say(words) {
      problem.textContent = words;
      field.ariaInvalid = words ? "true" : null;
      if (words) field.focus();
    }

    form.addEventListener(
      "submit",
      async (event) => {
        event.preventDefault();
        const token = field.value.trim();
        if (!token) return say(text("token.missing"));
        try {
          await exchange(token);
          isOpen = true;
          dialog.close();
        } catch (error) {
          const isWrong = error.code === "unauthorized" || error.code === "invalid";
          say(isWrong ? text("token.wrong") : `${text(`errors.network.title`)}.`);
        }
      },
      { signal },
    );
    byId("token-cancel").addEventListener("click", () => dialog.close(), { signal });
    dialog.addEventListener(
      "close",
      () => {
        gate.abort();
        field.value = "";
        if (isOpen) resolve();
        else reject(new Problem("unauthorized"));
      },
      { signal },
    );
    say("");
    dialog.showModal();
  });
}

async function exchange(token) {
  let headers;
  try {
    headers = new Headers({ Authorization: `Bearer ${token}` });
  } catch {
    throw new Problem("unauthorized"); // characters that no header can hold
  }
  const answer = await fetch("v1/session", { method: "POST", headers });
  if (!answer.ok) throw problemOf(answer.status, await answer.text(), null);
}
