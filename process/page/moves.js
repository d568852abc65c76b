// Switchovers and failovers: the one under way, step by step with a clock that runs, and the last.

import { h } from "./dom.js";
import { folded, section, sign, table } from "./parts.js";
import { DASH, bare, clock, duration, lasting } from "./words.js";

// What a step means to clients.
const meanings = {
  wished: "asked for; the source is written",
  handed_over: "the source has handed over; nobody is written",
  promoted: "the target is written",
  abandoned: "given up; the source opens again",
  done: "the source mirrors back",
  taken_back: "the source is written again",
  stepped_down: "the source knows of the failover, and is closed",
};

const wordOf = (phase) => String(phase ?? DASH).replaceAll("_", " ");
const kindOf = (move) => (move.failover ? "failover" : "switchover");

export function movesView(status, now) {
  const moves = status.switchovers;
  if (!Array.isArray(moves)) return null;
  const under_way = moves.filter((move) => move.over === false);
  const over = moves.filter((move) => move.over !== false);
  return section("moves", "Switchovers",
    under_way.map((move) => underWay(move, now)),
    moves.length === 0 && h("p", { class: "soft" }, "None since this router started."),
    over.length > 0 && lastOnes(over, now));
}

function underWay(move, now) {
  const steps = move.steps ?? [];
  const began = steps[0]?.time_ms;
  return h("section", { key: `under way ${move.id}`, class: "move" },
    h("header", {},
      h("h3", {}, `${move.link}: ${kindOf(move)} under way`),
      h("span", { class: "clock" }, began == null ? DASH : lasting(now - began))),
    move.trouble && h("p", {}, sign("stop", bare(move.trouble))),
    stepsOf(move, now));
}

// Each step with how long it lasted; of the last one of a move under way the clock runs.
function stepsOf(move, now) {
  const steps = move.steps ?? [], began = steps[0]?.time_ms;
  return h("ol", { class: "steps" }, steps.map((step, i) => {
    const next = steps[i + 1];
    const lasted = next ? `for ${duration(next.time_ms - step.time_ms)}`
      : move.over === false ? `for ${lasting(now - step.time_ms)} by now` : "";
    return h("li", { key: `${i}` },
      h("b", {}, wordOf(step.phase)),
      h("span", { class: "soft" }, [clock(step.time_ms, began), lasted].filter(Boolean).join(", ")),
      meanings[step.phase] && h("span", { class: "under" }, meanings[step.phase]));
  }));
}

function lastOnes(moves, now) {
  const columns = ["Began", { name: "Link", free: true }, { name: "Ended", free: true },
                   { name: "Stand-still", number: true }];
  return table("The last switchovers, the newest first", columns, moves.map((move) => {
    const steps = move.steps ?? [];
    const last = steps.at(-1)?.phase;
    return {
      key: move.id,
      cells: [
        steps.length ? clock(steps[0].time_ms, now) : DASH,
        [move.link, h("span", { class: "under" }, kindOf(move))],
        [outcomeOf(move, last), steps.length > 0 &&
          folded("steps", `${steps.length} steps`, stepsOf(move, now))],
        duration(move.stand_still_ms),
      ],
    };
  }));
}

function outcomeOf(move, last) {
  const given_up = last === "abandoned" || last === "taken_back";
  if (move.trouble) return sign(given_up ? "warn" : "stop", bare(move.trouble));
  if (!last) return sign("quiet", "not known");
  if (move.gave_way) return sign("warn", `${wordOf(last)}, then another one took its place`);
  return given_up ? sign("warn", wordOf(last)) : sign("ok", wordOf(last));
}
