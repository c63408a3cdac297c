/** Numbers as text in the language of the page: times, durations, shares and sizes. */

import { language } from "./texts.js";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
/** @type {[number, Intl.RelativeTimeFormatUnit][]} */
const UNITS_OF_TIME = [
  [86400, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
];
const CLOCK = /^(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6}(?:[.,]\d{1,6})?)$/;

/**
 * A time of a video: `0:07`, `12:30`, `1:02:03`, with tenths of seconds where `tenths`.
 * @param {number} seconds
 */
export function clock(seconds, tenths = false) {
  const whole = tenths ? Math.round(seconds * 10) / 10 : Math.floor(seconds + 1e-6);
  const hours = Math.floor(whole / 3600),
    minutes = Math.floor(whole / 60) % 60;
  const rest = (whole % 60).toFixed(tenths ? 1 : 0).padStart(tenths ? 4 : 2, "0");
  const decimal = (0.5).toLocaleString(language())[1];
  return `${hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes}:${rest.replace(".", decimal)}`;
}

/** The seconds of a time as `clock` writes it, or of a number of seconds; NaN where it is neither. @param {string} written */
export function secondsOf(written) {
  const parts = CLOCK.exec(written.trim());
  if (!parts) return NaN;
  const [hours, minutes, seconds] = parts.slice(1).map((part) => Number((part ?? "0").replace(",", ".")));
  return hours * 3600 + minutes * 60 + seconds;
}

/** A share as a percentage; 0 and 100 % only if exact. @param {number} part from 0 to 1 */
export function percent(part) {
  const digits = (part > 0.995 && part < 1) || (part > 0 && part < 0.005) ? 1 : 0;
  const shown = part > 0 && part < 1 ? Math.min(Math.max(part, 0.001), 0.999) : part;
  return shown.toLocaleString(language(), { style: "percent", maximumFractionDigits: digits });
}

/** A size: `12 MB`, in units of 1,000. @param {number} bytes */
export function size(bytes) {
  const place = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const value = bytes / 1000 ** place;
  return unit(value, UNITS[place], "short", value < 10 ? 1 : 0);
}

/** A duration in words, of one unit: `40 seconds`, `2 hours`. @param {number} seconds */
export function duration(seconds) {
  const [size, name] =
    UNITS_OF_TIME.find(([size]) => seconds >= 1.5 * size || (seconds % size === 0 && seconds > 0)) ?? UNITS_OF_TIME[3];
  return unit(Math.max(Math.round(seconds / size), 1), name, "long", 0);
}

/** How far a moment is in the future: `in 40 minutes`. @param {Date} moment */
export function fromNow(moment) {
  const seconds = (moment.getTime() - Date.now()) / 1000;
  const [size, name] = UNITS_OF_TIME.find(([size]) => seconds >= 1.5 * size) ?? UNITS_OF_TIME[3];
  return new Intl.RelativeTimeFormat(language()).format(Math.max(Math.round(seconds / size), 1), name);
}

/** A number with so many decimals. @param {number} value */
export const decimal = (value, digits) => value.toLocaleString(language(), { maximumFractionDigits: digits });

/** A time of less than a minute, in milliseconds. @param {number} seconds */
export const milliseconds = (seconds) => unit(Math.round(seconds * 1000), "millisecond", "short", 0);

const unit = (value, name, display, digits) =>
  value.toLocaleString(language(), { style: "unit", unit: name, unitDisplay: display, maximumFractionDigits: digits });
