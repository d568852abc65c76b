// A site as a box: whether it answers, its brokers, and what of its partitions is not whole.

import { h } from "./dom.js";
import { facts, folded, sign, table } from "./parts.js";
import { DASH, ago, bytes, count, grouped } from "./words.js";

const broker_signs = { serving: "ok", starting: "warn", fenced: "stop", away: "away" };
// Of more brokers than that, those that serve are folded.
const shown_brokers = 8;
const drains = { leadership: "drained of leadership", replicas: "drained" };

export function siteView(site) {
  const away = site.reachable === false;
  return h("section", {
    key: `site ${site.name}`, class: away ? "site silent" : "site",
    "aria-label": `Site ${site.name}`,
  },
    h("header", {},
      h("h3", {}, site.name, h("span", { class: "soft" }, numberOf(site))),
      stateOf(site, away)),
    away && h("p", { class: "soft spaced" }, "What stands here is the last that was heard",
      site.told_ms_ago == null ? "." : `, ${ago(site.told_ms_ago)}.`),
    brokersOf(site),
    facts(numbersOf(site)),
    notWhole(site));
}

function numberOf(site) {
  if (site.number == null) return "";
  return site.number === 0 ? " not Isthmus" : ` cluster ${site.number}`;
}

function stateOf(site, away) {
  if (away) return sign("stop", "does not answer");
  if (site.reachable == null) return sign("quiet", "not known");
  const worst = (site.findings ?? []).map((finding) => finding.verdict);
  if (worst.includes("stop")) return sign("stop", "answers, in trouble");
  if (worst.includes("warn") || site.trouble) return sign("warn", "answers, not whole");
  return sign("ok", "answers");
}

function brokersOf(site) {
  const brokers = site.brokers ?? [];
  if (brokers.length <= shown_brokers) {
    return brokers.length > 0 && brokersTable(`Brokers of ${site.name}`, brokers);
  }
  const isQuiet = (broker) => broker.state === "serving" && !broker.controller;
  const quiet = brokers.filter(isQuiet);
  return [
    brokersTable(`Brokers of ${site.name} that are to be seen`,
      brokers.filter((broker) => !isQuiet(broker))),
    folded("brokers", `${count(quiet.length, "more broker")}, serving`,
      brokersTable(`More brokers of ${site.name}`, quiet)),
  ];
}

function brokersTable(caption, brokers) {
  const columns = ["Broker", "State", { name: "Leads", number: true },
                   { name: "In sync", number: true }];
  return table(caption, columns, brokers.map((broker) => ({
    key: broker.node_id,
    cells: [
      [String(broker.node_id ?? DASH), h("span", { class: "under free" },
        [broker.address, broker.rack].filter(Boolean).join(", "))],
      [sign(broker_signs[broker.state] ?? "quiet", broker.state ?? DASH),
       broker.controller && h("span", { class: "under" }, "controller"),
       drains[broker.drain] && h("span", { class: "under" }, drains[broker.drain])],
      grouped(broker.leads),
      `${grouped(broker.in_sync)}/${grouped(broker.replicas)}`,
    ],
  })));
}

function numbersOf(site) {
  const broken = [[site.leaderless, "without a leader"],
                  [site.below_min_isr, "below min.insync.replicas"],
                  [site.under_replicated, "under-replicated"]]
    .filter(([number]) => number > 0)
    .map(([number, what]) => `${grouped(number)} ${what}`);
  const known = site.under_replicated != null || site.leaderless != null;
  return [
    ["Topics", grouped(site.topics)],
    ["Partitions", grouped(site.partitions)],
    ["Not whole", broken.join(", ") || (known ? "none" : DASH)],
    site.joining > 0 && ["Joining", `${count(site.joining, "partition")}, ` +
      `${bytes(site.bytes_to_go)} to go`],
  ];
}

function notWhole(site) {
  const named = site.not_whole ?? [];
  if (!named.length) return null;
  const total = Math.max(site.not_whole_count ?? 0, named.length);
  const title = `${count(total, "partition")} not whole`;
  const columns = [{ name: "Partition", free: true }, { name: "Leader", number: true }, "In sync",
                   "Replicas"];
  return folded("not whole", title + (total > named.length ? `, the first ${named.length}` : ""),
    table(title, columns, named.map((each) => ({
      key: each.partition,
      cells: [each.partition, nodeOf(each.leader), nodesOf(each.isr), nodesOf(each.replicas)],
    }))));
}

const nodeOf = (id) => (id == null || id < 0 ? "none" : String(id));
const nodesOf = (ids) => (ids?.length ? ids.join(", ") : "none");
