/**
 * Words of the page, in the language of its reader. All of them are in `texts.LANGUAGE.json`, of one shape; a further
 * language is a file and a line in `LANGUAGES`.
 *
 * A text is found by its path, `start.title`. `{name}` stands for a value; a text that depends on a number has one form
 * for each plural category of the language (`one`, `other`, …), chosen by the value `count`, or by `ordinal`.
 */

/** Languages by their code, with their own names. */
export const LANGUAGES = { en: "English", es: "Español" };
const FALLBACK = "en";
const KEPT_AS = "framemill-language";
const KINDS = { text: "textContent", label: "ariaLabel", hint: "placeholder" };

let code = FALLBACK;
let texts = {};

/** The language that an earlier visit chose, or the first of the browser's that there is. */
export function preferredLanguage() {
  const asked = [new URLSearchParams(location.search).get("lang"), remembered(), ...navigator.languages];
  return asked.map((one) => one?.slice(0, 2).toLowerCase()).find((one) => one in LANGUAGES) ?? FALLBACK;
}

/**
 * Show the page in a language, and keep the choice for later visits where `isChosen`.
 * @param {string} language one of `LANGUAGES`
 */
export async function useLanguage(language, isChosen = false) {
  const answer = await fetch(new URL(`texts.${language}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`texts.${language}.json: ${answer.status}`);
  texts = await answer.json();
  code = language;
  document.documentElement.lang = language;
  if (isChosen) remember(language);
  translate(document);
}

/** The code of the language that is shown. */
export const language = () => code;

/** Whether there is a text. @param {string} path */
export const hasText = (path) => find(path) !== undefined;

/**
 * A text with its values.
 * @param {string} path @param {Record<string, string | number>} [values]
 */
export function text(path, values = {}) {
  let found = find(path);
  if (typeof found === "object") {
    const type = "ordinal" in values ? "ordinal" : "cardinal";
    found = found[new Intl.PluralRules(code, { type }).select(Number(values.ordinal ?? values.count))] ?? found.other;
  }
  if (typeof found !== "string") throw new Error(`no text ${path} in ${code}`);
  const shown = { ...values };
  if ("count" in shown) shown.count = Number(shown.count).toLocaleString(code);
  return found.replace(/\{(\w+)\}/g, (whole, name) => String(shown[name] ?? whole));
}

/** Fill in the elements of the document that name their text. @param {ParentNode} root */
function translate(root) {
  for (const [kind, property] of Object.entries(KINDS)) {
    const named = /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(`[data-${kind}]`));
    for (const one of named) one[property] = text(one.dataset[kind]);
  }
}

const find = (path) =>
  path.split(".").reduce((found, name, place, all) => {
    // Names of files have dots of their own: `downloads.events.csv`.
    if (found === undefined || typeof found === "string") return found;
    return Object.hasOwn(found, name) ? found[name] : found[all.slice(place).join(".")];
  }, texts);

function remembered() {
  try {
    return localStorage.getItem(KEPT_AS);
  } catch {
    return null; // browsers can forbid it
  }
}

function remember(language) {
  try {
    localStorage.setItem(KEPT_AS, language);
  } catch {
    // then the choice lasts as long as the page
  }
}
