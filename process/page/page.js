// The page of an admin port: asks /status every two seconds and shows what it says. What is stale
// is said to be so, since when and why, and stays as the last picture, without its colours.

import { h, say, show } from "./dom.js";
import { sweepCharts } from "./history.js";
import { viewOf } from "./roles.js";
import { completed, roleOf, toldAt } from "./status.js";
import { troublesOf } from "./trouble.js";
import { ago, bare, clock, count, zone } from "./words.js";

const refresh_ms = 2000;
const answer_within_ms = 5000;
const old_after_ms = 5000;

const by_id = (id) => document.getElementById(id);

// What was heard last. `lost`: why there has been no answer since.
let heard = null; // { status, at: performance.now() }
let lost = "";
let held = false;

async function ask() {
  if (held) return;
  const give_up = new AbortController();
  const timer = setTimeout(() => give_up.abort(), answer_within_ms);
  try {
    const answer = await fetch("/status", { signal: give_up.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`this port answers ${answer.status} ${answer.statusText}`);
    hear(await answer.json());
  } catch (error) {
    lost = reasonOf(error);
  } finally {
    clearTimeout(timer);
  }
}

function reasonOf(error) {
  if (error.name === "AbortError") return `no answer within ${answer_within_ms / 1000} s`;
  if (error instanceof SyntaxError) return "the answer is no JSON";
  if (error instanceof TypeError) return "no answer";
  return bare(error.message);
}

function hear(status) {
  if (held) return;
  lost = "";
  heard = { status: completed(status), at: performance.now() };
}

// The clock of the process, which may be another than ours.
function nowOf({ status, at }) {
  return (status.time_ms ?? Date.now()) + (performance.now() - at);
}

// Since when what stands here is old, and why; null while it is not.
function staleness(now) {
  const { status } = heard;
  if (held) return { since: status.time_ms, why: "" };
  if (lost) return { since: status.time_ms, why: lost };
  if (status.age_ms > old_after_ms) {
    return { since: toldAt(status), why: `the ${roleOf(status)} itself says nothing new` };
  }
  return null;
}

function render() {
  try {
    draw();
  } catch (error) {
    document.body.className = "stop stale";
    say(by_id("state"), `This page cannot show what it was told: ${error.message}`);
  }
}

function draw() {
  if (!heard) {
    if (lost) say(by_id("state"), `Nothing to show: ${lost}.`);
    document.body.className = lost ? "stop" : "";
    return;
  }
  const { status } = heard;
  const now = nowOf(heard);
  const old = staleness(now);
  const troubles = troublesOf(status, now);
  const [kind, text] = stateOf(status, troubles, old, now);
  document.body.className = old ? `${kind} stale` : kind;
  say(by_id("state"), text);
  heading(status, troubles, old);
  const told = toldAt(status);
  say(by_id("age"), `As of ${clock(told, now)} ${zone(now)}, ${ago(now - told)}`);
  show(by_id("main"), h("div", { class: "all" }, viewOf(status, troubles, now)));
  sweepCharts();
}

// Only what changes with the state, for it is read out when it changes.
function stateOf(status, troubles, old, now) {
  if (old) {
    const since = clock(old.since, now);
    if (held) return ["away", `Held still since ${since}.`];
    return ["stop", `Stale since ${since}: ${old.why}. What stands below is the last picture.`];
  }
  const stops = troubles.filter((each) => each.verdict === "stop").length;
  const warnings = troubles.length - stops;
  const ready = status.ready === false ? "Not ready" : "Ready";
  if (!troubles.length) return ["ok", `${ready}. All is well.`];
  const counts = [stops && count(stops, "stop"), warnings && count(warnings, "warning")];
  return [stops ? "stop" : "warn", `${ready}. ${counts.filter(Boolean).join(", ")}.`];
}

function heading(status, troubles, old) {
  const role = roleOf(status);
  const name = status.name || status.virtual_cluster || status.cluster || "Isthmus";
  const of = role === "router" && status.virtual_cluster && status.virtual_cluster !== name
    ? ` of ${status.virtual_cluster}` : "";
  say(by_id("name"), name);
  say(by_id("what"), `Isthmus ${role}${of}`);
  const mark = old ? "stale: " : troubles.length ? `${troubles.length} wrong: ` : "";
  const title = `${mark}${name}, Isthmus ${role}`;
  if (document.title !== title) document.title = title;
}

by_id("hold").addEventListener("click", (event) => {
  held = !held;
  event.target.setAttribute("aria-pressed", String(held));
  if (heard) render();
});

// One after the other, so never two at once; the clocks run in between.
async function keepAsking() {
  for (;;) {
    await ask();
    render();
    await new Promise((resume) => setTimeout(resume, refresh_ms));
  }
}

setInterval(render, 1000);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
keepAsking();
