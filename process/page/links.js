// A link as an arrow from its source to its target: its state, how far it is behind, the last hour,
// and what a failover now would lose.

import { h } from "./dom.js";
import { historyView } from "./history.js";
import { facts, folded, list, sign } from "./parts.js";
import { DASH, ago, bare, bytes, count, duration, grouped } from "./words.js";

// `leftmost` is the site that stands at the left, where there are two: the arrow leads that way.
export function linkView(link, leftmost) {
  const is_idle = link.partitions === 0;
  const back = leftmost !== undefined && link.target === leftmost;
  const [kind, word] = stateOf(link);
  return h("section", {
    key: `link ${link.name}`, class: `link ${kind}`, "aria-label": `Link ${link.name}`,
  },
    h("header", {},
      h("h3", {}, link.name,
        h("span", { class: "unseen" }, `, from ${link.source ?? DASH} to ${link.target ?? DASH}`)),
      sign(kind, word)),
    h("p", { class: back ? "arrow back" : "arrow", "aria-hidden": "true" },
      h("span", {}, link.source ?? DASH), h("span", { class: "shaft" }),
      h("span", {}, link.target ?? DASH)),
    facts(is_idle ? contactOf(link) : numbersOf(link)),
    h("p", { class: "loss" }, is_idle
      ? `No topic of ${link.target ?? "the target"} is mirrored this way.` : lossOf(link)),
    !is_idle && historyView(link),
    detailsOf(link));
}

function stateOf(link) {
  if (link.switchover?.handed_over) return ["stop", "nobody is written"];
  if (link.ok === true) return ["ok", "OK"];
  if (link.paused) return ["away", "paused"];
  if (link.failed > 0 || link.stuck?.length) return ["stop", "degraded"];
  if (link.ok === false) return ["warn", "degraded"];
  return ["quiet", "not known"];
}

function numbersOf(link) {
  const lag = link.lag_ms == null && link.lag_records == null
    ? "not known" : `${duration(link.lag_ms)}, ${count(link.lag_records, "record")}`;
  const failed = link.failed > 0 ? `, ${grouped(link.failed)} not mirrored` : "";
  const held = link.held?.length ? `, ${grouped(link.held.length)} held` : "";
  return [
    ["Lag", lag],
    ["Rate", link.records_per_s == null ? DASH : `${grouped(link.records_per_s)} records/s`],
    ...contactOf(link),
    ["Partitions", `${grouped(link.partitions)}${failed}`],
    ["Groups", `${grouped(link.groups)}${held}`],
  ];
}

function contactOf(link) {
  const source = { true: "answers", false: "does not answer" }[link.source_answers];
  return [
    ["Mirror", link.mirror_age_ms == null ? "not heard" : `heard ${ago(link.mirror_age_ms)}`],
    ["Source", source ?? DASH],
  ];
}

function lossOf(link) {
  const loss = bare(link.would_lose) || "unknown";
  const what = loss.startsWith("unknown") ? "What a failover now would lose is "
    : "A failover now would lose ";
  return [what, h("b", {}, loss), "."];
}

function detailsOf(link) {
  const stuck = link.stuck ?? [];
  const total = Math.max(link.failed ?? 0, stuck.length);
  return [
    stuck.length > 0 && folded("stuck", `${count(total, "partition")} not mirrored`,
      list(stuck, total - stuck.length)),
    link.held?.length > 0 && folded("held", `${count(link.held.length, "group")} held`,
      list(link.held)),
    link.left_out && h("p", { key: "left out" }, "Left out: ", link.left_out),
  ];
}

// A link as its mirror tells of it (links{} of a mirror's /status).
export function mirroredView(name, link) {
  const access = link.access;
  return h("section", {
    key: `link ${name}`, class: `link ${link.attached ? "ok" : "stop"}`,
    "aria-label": `Link ${name}`,
  },
    h("header", {}, h("h3", {}, name),
      link.attached ? sign("ok", "attached") : sign("stop", "not attached")),
    !link.attached && h("p", { class: "spaced" }, link.problem || "No reason is known."),
    facts([
      ["Lag", link.attached ? `${duration(link.lag_ms)}, ${count(link.lag_records, "record")}`
        : "not known"],
      ["Lag, median", duration(link.lag_p50_ms)],
      ["Lag, 99 %", duration(link.lag_p99_ms)],
      ["Partitions", `${grouped(link.partitions)} of ${count(link.topics, "topic")}`],
      ["Not mirrored", grouped(link.failed)],
      ["Groups", `${grouped(link.groups)}, ${grouped(link.held)} held`],
      ["Copied", `${bytes(link.bytes)} in ${count(link.requests, "request")}`],
      ["Epoch", grouped(link.link_epoch)],
      access && ["Access", `${count(access.acls, "ACL")}, ${count(access.users, "user")}, ` +
        `${count(access.quotas, "quota")} follow; ${grouped(access.waiting)} wait to be removed`],
    ]));
}
