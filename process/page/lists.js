// A router's lists: groups, routes, and the addresses that clients are given.

import { h } from "./dom.js";
import { folded, section, sign, table } from "./parts.js";
import { DASH, count, duration, grouped } from "./words.js";

// So many stand open; the others are folded.
const shown_groups = 12;

export function groupsView(status) {
  const groups = status.groups;
  if (!Array.isArray(groups)) return null;
  const total = Math.max(status.groups_count ?? 0, groups.length);
  // Who is behind stands first; by whole seconds, so that rows do not jump with every record.
  const behind = (group) => Math.floor((group.lag_ms ?? 0) / 1000);
  const sorted = [...groups].sort((a, b) =>
    behind(b) - behind(a) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const rest = sorted.slice(shown_groups);
  return section("groups", "Groups",
    groups.length === 0
      ? h("p", { class: "soft" }, "There is none.")
      : groupsTable("Groups, the furthest behind first", sorted.slice(0, shown_groups)),
    rest.length > 0 && folded("more", `${count(rest.length, "more group")}`,
      groupsTable("More groups", rest)),
    total > groups.length && h("p", { class: "soft" }, `${grouped(total - groups.length)} more ` +
      "are not told of here: isthmus group list"));
}

function groupsTable(caption, groups) {
  const columns = [{ name: "Group", free: true }, { name: "Home", free: true },
                   { name: "Lag", number: true }, { name: "Records", number: true }];
  return table(caption, columns, groups.map((group) => ({
    key: `${group.site} ${group.name}`,
    cells: [
      group.name,
      [group.site ?? DASH, group.owned_by && group.owned_by !== "clients" &&
        h("span", { class: "under free" }, `follows by ${group.owned_by}`)],
      duration(group.lag_ms),
      grouped(group.lag_records),
    ],
  })));
}

export function routesView(status) {
  const rules = status.route_rules;
  if (!Array.isArray(rules)) return takenOver(status.routes);
  const columns = ["Rule", "Leads to", "Why"].map((name) => ({ name, free: true }));
  return section("routes", "Routes", table("Routes, in the order of the file", columns,
    rules.map((rule, i) => {
      const moved = rule.cluster_by_file && rule.cluster_by_file !== rule.cluster;
      return {
        key: `${i} ${rule.rule}`,
        cells: [rule.rule ?? DASH, moved ? sign("warn", rule.cluster) : rule.cluster ?? DASH,
                rule.why || DASH],
      };
    })));
}

// A router that does not tell its rules: where the default leads, and who has taken over.
function takenOver(routes) {
  if (!routes) return null;
  return section("routes", "Routes", h("p", {}, `The default leads to ${routes.default_home}.`),
    Object.entries(routes.taken_over ?? {}).map(([from, to]) =>
      h("p", { key: from }, `${to} has taken over the routes of ${from}.`)));
}

export function nodesView(status) {
  const nodes = status.nodes;
  if (!Array.isArray(nodes) || !nodes.length) return null;
  const columns = ["Broker", { name: "Clients come to", free: true },
                   { name: "Connections", number: true }, { name: "Requests", number: true }];
  const connections = nodes.reduce((sum, node) => sum + (node.connections ?? 0), 0);
  const caption = "Addresses that clients are given";
  return section("nodes", "Clients", folded("nodes",
    `${count(connections, "connection")}, by the broker that they lead to`,
    table(caption, columns, nodes.map((node) => ({
      key: node.id,
      cells: [
        [`${node.id ?? DASH}`, h("span", { class: "under free" }, node.cluster ?? "")],
        [node.advertised ?? DASH, node.up === false &&
          h("span", { class: "under" }, "not shown to clients now")],
        grouped(node.connections), grouped(node.requests),
      ],
    })))));
}
