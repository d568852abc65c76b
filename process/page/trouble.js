// What is in trouble, from what a role says and nothing else: a list of
//   { key, verdict: "stop" | "warn", where, text, next, list: ["orders-3: …"], more: 12 }
// the worst first, and otherwise in the order in which it was found. Pure.

import { bare, clock, count, lasting } from "./words.js";

// A site says something new every second or two.
const site_is_silent_after_ms = 10_000;
// A switchover takes less than a second; one that takes longer is looked at.
const switchover_stands_after_ms = 10_000;

export function troublesOf(status, now) {
  const found = [], counts = new Map();
  const say = (verdict, where, text, next = "", list = [], more = 0) => {
    // Texts have numbers in them, which change: the key is which one of its place it is.
    const nth = (counts.get(where) ?? 0) + 1;
    counts.set(where, nth);
    found.push({ key: `${where}#${nth}`, verdict, where, text, next, list, more });
  };
  for (const site of status.sites ?? []) lookAtSite(site, status.links ?? [], say);
  if (Array.isArray(status.links)) {
    for (const link of status.links) lookAtLink(link, say);
  } else if (status.links && typeof status.links === "object") {
    for (const [name, link] of Object.entries(status.links)) lookAtMirrored(name, link, say);
  }
  const stands = (move) => Array.isArray(status.links) &&
    status.links.some((link) => link.name === move.link && link.switchover?.handed_over);
  for (const move of status.switchovers ?? []) {
    if (!stands(move)) lookAtSwitchover(move, now, say);
  }
  lookAtBroker(status, now, say);
  lookAtRole(status, found, say);
  return [...found.filter((each) => each.verdict === "stop"),
          ...found.filter((each) => each.verdict !== "stop")];
}

function lookAtSite(site, links, say) {
  const told = site.told_ms_ago;
  if (site.reachable === false) {
    const since = told == null ? "" : `; it was last heard ${lasting(told)} ago`;
    const way = links.find((link) => link.source === site.name);
    const lost = way ? `. Should it be lost: isthmus failover --from ${way.source} ` +
      `--to ${way.target} --dry-run` : "";
    say("stop", site.name, `does not answer: ${bare(site.trouble) || "no reason is known"}${since}`,
        `see that its brokers run, and that the line to it stands${lost}`);
    return;
  }
  if (told > site_is_silent_after_ms) {
    const why = bare(site.trouble);
    say("warn", site.name, `answers, and says nothing new of itself${why ? `: ${why}` : ""}`,
        `isthmus cluster describe; what stands here is ${lasting(told)} old`);
  } else if (site.trouble) {
    say("warn", site.name, bare(site.trouble));
  }
  for (const finding of site.findings ?? []) {
    if (finding.verdict === "ok") continue;
    say(finding.verdict === "stop" ? "stop" : "warn", site.name, bare(finding.text), finding.next);
  }
}

// A link as the router sees it.
function lookAtLink(link, say) {
  const move = link.switchover;
  const stuck = link.stuck ?? [];
  if (move?.handed_over) {
    say("stop", link.name, `${link.source} has handed over, ${link.target} is not promoted: ` +
        `nobody is written${move.trouble ? `. ${bare(move.trouble)}` : ""}`,
        "see that a mirror of the link runs; it promotes by itself. Or go back: isthmus " +
        `switchover take-back --from ${link.source} --to ${link.target}`);
  } else if (move?.trouble) {
    say("warn", link.name, `the latest switchover was given up: ${bare(move.trouble)}`);
  }
  if (link.ok === false && !(move?.handed_over && stuck.length === 0)) {
    const failed = link.failed > 0 || stuck.length > 0;
    say(failed ? "stop" : "warn", link.name, bare(link.summary) || "not mirrored, or not all",
        nextOf(link, stuck), stuck, Math.max(0, (link.failed ?? 0) - stuck.length));
  }
  if (link.held?.length) {
    say("warn", link.name, `${count(link.held.length, "group")} held: ${link.held.join(", ")}`,
        `the other site has a group of that name: isthmus link describe ${link.name}`);
  }
}

function nextOf(link, stuck) {
  const overtaken = stuck.find((each) => each.includes("retention_overtook"));
  if (overtaken) {
    return "if what is gone at the source may be: isthmus link resume " +
      `${link.name} --partition ${overtaken.split(":")[0]} --accept-gap`;
  }
  if (link.paused) return `isthmus link resume ${link.name}`;
  return `isthmus link describe ${link.name}`;
}

// A link as its mirror sees it.
function lookAtMirrored(name, link, say) {
  if (link.attached === false) {
    say("stop", name, `not attached: ${bare(link.problem) || "no reason is known"}`,
        "see that both ends answer from here");
  }
  if (link.failed > 0) {
    say("stop", name, `${count(link.failed, "partition")} not mirrored`,
        `isthmus link describe ${name}`);
  }
  if (link.held > 0) {
    say("warn", name, `${count(link.held, "group")} held`, `isthmus link describe ${name}`);
  }
  const problems = link.access?.problems ?? [];
  if (problems.length) {
    say("warn", name, "not all ACLs, users and quotas follow", "", problems);
  }
}

function lookAtSwitchover(move, now, say) {
  const last = move.steps?.at(-1);
  if (move.over !== false || !last) return;
  const since = now - move.steps[0].time_ms;
  if (since < switchover_stands_after_ms) return;
  say("stop", move.link, `a ${move.failover ? "failover" : "switchover"} stands since ` +
      `${clock(last.time_ms, now)}: ${bare(move.trouble) || last.phase}`,
      `isthmus link describe ${move.link}; the log of its mirror says what it waits for`);
}

function lookAtBroker(status, now, say) {
  const offline = Array.isArray(status.offline) ? status.offline : [];
  const total = Math.max(status.partitions_offline ?? 0, offline.length);
  if (total > 0) {
    const first = offline[0];
    const next = first ? `isthmus partition describe ${first.topic}-${first.partition}` : "";
    say("stop", "disk", `${count(total, "partition")} offline`, next,
        offline.map((each) => `${each.topic}-${each.partition}: ${each.reason}` +
          (each.readable ? " (still read)" : "")), total - offline.length);
  }
  const since = status.metadata_old_since_ms;
  if (since != null) {
    say("warn", "metadata", `what is known is old since ${clock(since, now)}`,
        "see to ZooKeeper, and the line to it");
  }
  const cuts = Array.isArray(status.cuts) ? status.cuts : [];
  const cut = Math.max(status.partitions_cut ?? 0, cuts.length);
  if (cut > 0) {
    say("warn", "disk", `${count(cut, "partition")} cut at the start, as after a torn tail`,
        "what was cut is kept in the files named here",
        cuts.map((each) => `${each.topic}-${each.partition} at ${each.offset}: ${each.kept_in}`),
        cut - cuts.length);
  }
}

// What the role says of itself, unless the same was said of a site or a link.
function lookAtRole(status, found, say) {
  const stops = found.some((each) => each.verdict === "stop");
  if (status.ready === false && !stops) {
    say("stop", status.name ?? "", `not ready: ${bare(status.reason) || "no reason is known"}`);
  }
  if (status.degraded && !stops) say("warn", status.name ?? "", bare(status.degraded));
}
