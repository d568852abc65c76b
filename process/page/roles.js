// The whole of each role's page, from what it says: what is in trouble, then the picture.

import { h } from "./dom.js";
import { linkView, mirroredView } from "./links.js";
import { groupsView, nodesView, routesView } from "./lists.js";
import { movesView } from "./moves.js";
import { facts, folded, list, section, sign } from "./parts.js";
import { siteView } from "./sites.js";
import { roleOf } from "./status.js";
import { DASH, bytes, clock, count, grouped } from "./words.js";

export function viewOf(status, troubles, now) {
  const views = { router: routerView, broker: brokerView, mirror: mirrorView };
  return [troubleView(troubles), (views[roleOf(status)] ?? (() => null))(status, now)];
}

function troubleView(troubles) {
  return section("trouble", "What is wrong",
    troubles.length === 0
      ? h("p", { class: "soft" }, "Nothing that is seen from here.")
      : h("ul", { class: "troubles" }, troubles.map(troubleItem)));
}

function troubleItem(trouble) {
  const all = trouble.list.length;
  const shown = all <= 3 ? all : 2;
  const rest = trouble.list.slice(shown);
  return h("li", { key: trouble.key, class: trouble.verdict },
    sign(trouble.verdict, trouble.verdict),
    h("div", {},
      h("p", {}, h("b", {}, trouble.where), " ", trouble.text, "."),
      trouble.next && h("p", { class: "next" }, h("span", { class: "soft" }, "Next: "),
        commandsIn(trouble.next)),
      shown > 0 && list(trouble.list.slice(0, shown)),
      rest.length > 0 && folded("rest", `${grouped(rest.length + trouble.more)} more`,
        list(rest, trouble.more))));
}

// Commands stand out, and a click marks the whole of one. They end with the sentence or its part.
function commandsIn(text) {
  return text.split(/(\bisthmus(?: [^\s,;]+)+)/).map((part, i) =>
    (i % 2 ? h("code", {}, part) : part));
}

function routerView(status, now) {
  const sites = status.sites ?? [];
  const links = Array.isArray(status.links) ? status.links : [];
  const two = sites.length === 2;
  const lanes = links.map((link) => linkView(link, two ? sites[0].name : undefined));
  const between = h("div", { key: "links", class: "links" }, lanes);
  const picture = two
    ? h("div", { key: "two", class: "two" }, siteView(sites[0]), between, siteView(sites[1]))
    : [h("div", { key: "many", class: "many" }, sites.map(siteView)), between];
  return [
    section("picture", links.length ? "Sites and links" : "Sites", picture),
    h("div", { key: "lower", class: "lower" },
      movesView(status, now), groupsView(status), routesView(status), nodesView(status)),
  ];
}

function brokerView(status, now) {
  const moves = status.reassignments;
  const cuts = Array.isArray(status.cuts) ? status.cuts : [];
  return section("broker", "This broker", facts([
    ["Cluster", `${status.cluster ?? DASH}${status.number == null ? "" : ` (${status.number})`}`],
    ["Node", status.node_id == null ? DASH : String(status.node_id)],
    ["Brokers", grouped(status.brokers)],
    ["Topics", grouped(status.topics)],
    ["Links", grouped(status.links)],
    ["Connections", grouped(status.connections)],
    ["Offline", count(status.partitions_offline, "partition")],
    ["Cut", count(status.partitions_cut ?? cuts.length, "partition")],
    ["Moving", moves ? `${count(moves.partitions, "partition")}, ${grouped(moves.led_here)} ` +
      `led here, ${bytes(moves.bytes_to_go)} to go` : DASH],
    ["Metadata", status.metadata_old_since_ms == null ? sign("ok", "current")
      : sign("warn", `old since ${clock(status.metadata_old_since_ms, now)}`)],
    ["Cluster id", status.cluster_id ?? DASH],
  ]));
}

function mirrorView(status) {
  const links = Object.entries(status.links ?? {});
  return section("picture", "Links",
    links.length === 0 && h("p", { class: "soft" }, "There is none."),
    h("div", { class: "links many" }, links.map(([name, link]) => mirroredView(name, link ?? {}))));
}
