// Numbers, bytes and times as people read them. What is not known is a dash.

export const DASH = "–";

const numbers = new Intl.NumberFormat("en");
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

export function grouped(value) {
  return isNumber(value) ? numbers.format(Math.round(value)) : DASH;
}

// "1 partition", "12 partitions"; "– partitions".
export function count(value, noun) {
  return `${grouped(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function duration(ms) {
  if (!isNumber(ms)) return DASH;
  const positive = Math.max(0, ms);
  if (positive < 999.5) return positive < 0.5 ? "0 s" : `${Math.round(positive)} ms`;
  const tenths = Math.round(positive / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(positive / 1000);
  if (seconds < 3600) return two(seconds, 60, "min", 1, "s");
  if (seconds < 86400) return two(seconds, 3600, "h", 60, "min");
  return two(seconds, 86400, "d", 3600, "h");
}

function two(seconds, large, largeUnit, small, smallUnit) {
  const rest = Math.floor((seconds % large) / small);
  const first = `${numbers.format(Math.floor(seconds / large))} ${largeUnit}`;
  return rest ? `${first} ${rest} ${smallUnit}` : first;
}

// How long something lasts by now: in whole seconds, so that the last digit does not flicker.
export function age(ms) {
  if (!isNumber(ms)) return DASH;
  return ms < 1000 ? "less than 1 s" : duration(Math.floor(ms / 1000) * 1000).replace(".0 s", " s");
}

export function bytes(value) {
  if (!isNumber(value)) return DASH;
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  let size = value, unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    ++unit;
  }
  if (unit === 0) return size === 1 ? "1 byte" : `${Math.round(size)} bytes`;
  return `${size < 99.95 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

const clocks = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const zones = new Intl.DateTimeFormat("en-GB", { timeZoneName: "shortOffset" });

// The clock of who reads; with the day where that is not the day of `now`.
export function clock(ms, now = ms) {
  if (!isNumber(ms)) return DASH;
  const time = clocks.format(ms);
  return days.format(ms) === days.format(now) ? time : `${days.format(ms)}, ${time}`;
}

// "GMT+9": what clock() is by.
export function zone(ms) {
  return zones.formatToParts(ms).find((part) => part.type === "timeZoneName").value;
}

// A sentence without its full stop, to go on with, or to end in our way.
export function bare(text) {
  return String(text ?? "").trim().replace(/\.$/, "");
}
