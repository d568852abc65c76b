// What a role said at /status, with what the page adds: the sites of an older router, and the last
// brokers of a site that does not answer.

// Who does not say it is older than this page.
export function roleOf(status) {
  if (status.role) return status.role;
  if ("virtual_cluster" in status) return "router";
  return "node_id" in status ? "broker" : "mirror";
}

// When the role said it, by the clock of its process.
export function toldAt(status) {
  return (status.time_ms ?? Date.now()) - (status.age_ms ?? 0);
}

// Of each site the last that it told while it answered: bounded, for it is of those now told of.
let seen = new Map();

export function completed(status) {
  const sites = status.sites ?? olderSites(status.clusters);
  if (!sites) return status;
  const kept = sites.map((site) => withItsLast(site, seen.get(site.name)));
  seen = new Map(kept.map((site) => [site.name, site]));
  return { ...status, sites: kept };
}

function olderSites(clusters) {
  if (!clusters) return null;
  return Object.entries(clusters).map(([name, each]) => (
    { name, reachable: each.reachable, trouble: each.trouble, told_ms_ago: each.age_ms }));
}

function withItsLast(site, last) {
  if (site.reachable !== false || !last || site.brokers?.length) return site;
  return { ...last, ...withoutNothing(site) };
}

const withoutNothing = (object) => Object.fromEntries(Object.entries(object).filter(
  ([, value]) => value != null && !(Array.isArray(value) && value.length === 0)));
