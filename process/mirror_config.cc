#include "process/mirror_config.h"

#include <fmt/core.h>

#include <algorithm>

#include "kafka/selector.h"
#include "process/broker_config.h"
#include "process/tls_store.h"

namespace isthmus::process {

namespace {
constexpr int64_t most_delete_delay_ms = std::chrono::milliseconds(std::chrono::days(365)).count();
}

void describe(Options& o, LinkEnd& c) {
  o.add("bootstrap.servers", c.bootstrap_servers, "Brokers to ask first; they name the others.")
      .required();
  describe_security(o, c.security);
}

void describe(Options& o, LinkConfig& c) {
  o.choice("mode", c.mode, {{"preserve", LinkMode::preserve}},
           "`preserve`: the same topic ids, offsets and bytes at both ends.");
  o.section(
      "source", c.source,
      "The cluster that is read: of an Isthmus site the listener with `for: [mirrors]`, else it "
      "is taken for a foreign one, which cannot be switched over.");
  o.section("target", c.target,
            "The cluster that is written: an Isthmus listener with `for: [mirrors]`.");
  o.add("topics", c.topics,
        "Topics to mirror: regular expressions (RE2's, which look neither ahead nor back), each "
        "for a "
        "whole name. In the form with commas an expression holds none; write a YAML list if one "
        "must.");
  o.add("topics.exclude", c.topics_exclude,
        "Topics to leave out; wins over `topics`. Kafka's own (`__consumer_offsets` and its kind) "
        "are always left out.");
  o.add("groups", c.groups, "Consumer groups whose offsets follow; as `topics`.");
  o.add("groups.exclude", c.groups_exclude, "Groups to leave out; wins over `groups`.");
  o.choice("start", c.start, {{"earliest", LinkStart::earliest}, {"latest", LinkStart::latest}},
           "Where copies begin. `latest`: of a topic or partition that is there when the link is "
           "attached for the first time, at its end; of what is found later, at its beginning, or "
           "its first records would be missed.");
  o.add("fence", c.fence, {100, 60'000},
        "How long a switchover may hold the source's writers; until the hand-over, after it the "
        "source goes on as before.");
  o.add(
      "delete_delay", c.delete_delay, {0, most_delete_delay_ms},
      "How long records that are deleted at the source stay at the target: its log start is "
      "followed when the source has kept it for so long, and twice as long at the latest. The copy "
      "of a topic that is deleted at the source goes when it has been gone for so long. Each "
      "start of the mirror, and each new hold of the link, begins the delay anew.");
  o.choice("acls", c.acls, {{"stay", LinkAcls::stay}, {"follow", LinkAcls::follow}},
           "`follow`: ACLs of topics, groups and transactional ids, SCRAM users (what their "
           "passwords are verified by, never the passwords) and quotas of users and client ids go "
           "from the source to the target while the link writes topics there, and what is removed "
           "at the source goes after `delete_delay`. What the target has of its own stays as it "
           "is. Needs more permissions at both ends: docs/operations.md.");
}

void describe(Options& o, MirrorConfig& c) {
  o.map("links", c.links,
        "What is mirrored where, each link by its name `<source>-<target>`. Two links in opposite "
        "directions make a pair for switching over and back.")
      .required();
  describe_tls(o, c.tls);
  o.section("log", c.log, logging_text);
  o.section("admin", c.admin, admin_text);
}

std::optional<LinkName> parse_link_name(const std::string& name) {
  const size_t dash = name.find('-');
  if (dash == std::string::npos) return std::nullopt;
  LinkName link{name.substr(0, dash), name.substr(dash + 1)};
  if (cluster_name_problem(link.source) || cluster_name_problem(link.target)) return std::nullopt;
  return link;
}

namespace {

std::optional<Problem> link_names(const MirrorConfig& c) {
  for (const auto& [name, link] : c.links) {
    std::optional<LinkName> parsed = parse_link_name(name);
    if (!parsed)
      return Problem{"links." + name,
                     "a link is called by the names of its two clusters, "
                     "<source>-<target>, as in seoul-tokyo"};
    if (parsed->source == parsed->target)
      return Problem{"links." + name, "a link leads from one cluster to another"};
  }
  return std::nullopt;
}

std::optional<Problem> distinct_ends(const MirrorConfig& c) {
  for (const auto& [name, link] : c.links) {
    for (const io::Address& server : link.source.bootstrap_servers) {
      if (std::ranges::find(link.target.bootstrap_servers, server) ==
          link.target.bootstrap_servers.end())
        continue;
      return Problem{"links." + name + ".target.bootstrap.servers",
                     fmt::format("{} is also the source; the ends of a link are two clusters",
                                 server.to_string())};
    }
  }
  return std::nullopt;
}

std::optional<Problem> bad_pattern(const std::string& path,
                                   const std::vector<std::string>& patterns) {
  auto parsed = kafka::Selector::parse(patterns, {});
  if (parsed) return std::nullopt;
  return Problem{path, parsed.error().text + "; one that matches all names is .*"};
}

std::optional<Problem> patterns(const MirrorConfig& c) {
  for (const auto& [name, link] : c.links) {
    const std::pair<const char*, const std::vector<std::string>*> keys[] = {
        {"topics", &link.topics},
        {"topics.exclude", &link.topics_exclude},
        {"groups", &link.groups},
        {"groups.exclude", &link.groups_exclude},
    };
    for (auto [key, list] : keys)
      if (auto problem = bad_pattern(fmt::format("links.{}.{}", name, key), *list)) return problem;
  }
  return std::nullopt;
}

std::optional<Problem> secured_ends(const MirrorConfig& c) {
  for (const auto& [name, link] : c.links) {
    auto problem = problem_of(link.source.security, c.tls, "links." + name + ".source");
    if (!problem) problem = problem_of(link.target.security, c.tls, "links." + name + ".target");
    if (problem) return problem;
  }
  return std::nullopt;
}

std::optional<Problem> usable_certificates(const MirrorConfig& c) { return problem_of(c.tls); }

std::optional<Problem> guarded_admin(const MirrorConfig& c) { return problem_of(c.admin, c.tls); }

}  // namespace

std::optional<Problem> validate(const MirrorConfig& c) {
  constexpr std::optional<Problem> (*rules[])(const MirrorConfig&) = {
      link_names, distinct_ends, patterns, secured_ends, guarded_admin, usable_certificates};
  for (auto rule : rules)
    if (auto problem = rule(c)) return problem;
  return std::nullopt;
}

}  // namespace isthmus::process
