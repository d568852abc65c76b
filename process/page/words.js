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
  return two(Math.round(positive / 1000));
}

const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// In the largest unit that it has one of, and the next: "2 h 5 min".
function two(seconds) {
  const i = units.findIndex(([, length]) => seconds >= length);
  if (i < 0) return "0 s";
  const [unit, length] = units[i], [below, part] = units[i + 1] ?? ["", Infinity];
  const rest = Math.floor((seconds % length) / part);
  const first = `${numbers.format(Math.floor(seconds / length))} ${unit}`;
  return rest ? `${first} ${rest} ${below}` : first;
}

// How long something lasts by now: in whole seconds, so that the last digit does not flicker.
export function lasting(ms) {
  if (!isNumber(ms)) return DASH;
  return two(Math.floor(Math.max(0, ms) / 1000));
}

export function ago(ms) {
  return isNumber(ms) && ms < 1000 ? "just now" : `${lasting(ms)} ago`;
}

export function bytes(value) {
  if (!isNumber(value)) return DASH;
  if (value < 999.5) return count(value, "byte");
  const prefixes = "kMGTP";
  let size = value / 1000, i = 0;
  for (; size >= 999.5 && i < prefixes.length - 1; ++i) size /= 1000;
  return `${size < 99.95 ? size.toFixed(1) : grouped(size)} ${prefixes[i]}B`;
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

// "UTC+9": what clock() is by.
export function zone(ms) {
  const part = zones.formatToParts(ms).find((each) => each.type === "timeZoneName");
  return part.value.replace("GMT", "UTC");
}

// A sentence without its full stop, to go on with, or to end in our way.
export function bare(text) {
  return String(text ?? "").trim().replace(/\.$/, "");
}
