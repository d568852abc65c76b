// Sites: the clusters that a command speaks to, by name, and how it finds them.
//
// --config takes a router's file (clusters by name, with the listener inside each), a mirror's (the
// ends of its links; a cluster's own listener for mirrors is the one where it is a target) or a
// site's, each with its security and certificates. --bootstrap-server is one such listener; its
// cluster is then called as it calls itself.
//
// All on the one loop of the command (run_task in commands.h), for as long as it runs.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "client/cluster.h"
#include "kafka/errors.h"
#include "kafka/gen/describe_site.h"
#include "kafka/topic_writer.h"
#include "process/router_config.h"
#include "process/tls_store.h"
#include "views/site_answer.h"

namespace isthmus::cli {

using views::SiteAnswer;
// Where a site is spoken to, and how.
struct SiteAt {
  std::vector<io::Address> addresses;
  process::DialSecurity security;
};
using SitesAt = std::map<std::string, SiteAt>;

struct Where {
  std::string config_file;
  std::string bootstrap_server;
};
void add_where(Command& command, Where& where);
void add_cluster(Command& command, std::string& cluster);  // --cluster

// What --config and --bootstrap-server say. A server alone stands under the empty name.
struct Known {
  SitesAt sites;
  process::TlsConfigs tls;
  process::SwitchoverConfig switchover;  // a router's; else the defaults
};
Result<Known> find_sites(const Where& where);

// A site that is dead is heard of in a second at most, at three in the morning and ever; one that
// is there may have much to say.
constexpr auto reach_within = std::chrono::seconds(1);
constexpr auto answer_within = std::chrono::seconds(10);

// Of a server without a name: its cluster calls itself something, which a command may need; or it
// may be any Kafka, and is called by its address.
enum class Naming : uint8_t { by_itself, by_address };

class Sites {
 public:
  Sites(io::Env& env, Known known) : env_(env), known_(std::move(known)), tls_(known_.tls) {}

  // Of a server without one. Before anything else.
  io::Task<Result<void>> learn_names(Naming naming);
  // All, or `wanted` alone where it is not empty and one of them.
  std::vector<std::string> names(const std::string& wanted = "") const;
  bool has(const std::string& name) const { return known_.sites.contains(name); }
  // The only one; an error that lists them where there are several and `wanted` is empty.
  Result<std::string> choose(const std::string& wanted) const;
  const process::SwitchoverConfig& switchover() const { return known_.switchover; }

  Result<client::Cluster*> at(const std::string& name);

  // One call of the private API. What its answer refuses is in the answer: refusal(), below.
  template <typename Request>
  io::Task<Result<typename Request::Response>> ask(std::string name, Request request,
                                                   io::Duration within = answer_within) {
    auto cluster = at(name);
    if (!cluster) co_return fail(cluster.error());
    auto answer = co_await (*cluster)->call_any(std::move(request), deadline(within));
    if (!answer) co_return fail(no_answer(answer.error()));
    co_return std::move(*answer);
  }
  // An error at once if it cannot be reached: who waits for a site asks again.
  io::Task<Result<SiteAnswer>> describe(std::string name, bool topics, bool groups);
  io::Task<Result<SiteAnswer>> describe(std::string name, kafka::DescribeSiteRequest request);

  io::Loop& loop() const { return env_.main_loop(); }
  io::Instant deadline(io::Duration within = answer_within) const { return loop().now() + within; }
  Uuid new_id() const;
  io::Task<void> close();

 private:
  io::Task<Result<SiteAnswer>> look(std::string name, kafka::DescribeSiteRequest request);
  static Error no_answer(const Error& error);

  io::Env& env_;
  Known known_;
  process::TlsStore tls_;
  std::map<std::string, std::unique_ptr<client::Cluster>> open_;
  // Brokers that did not answer the one of theirs that was asked; the command has said so.
  std::set<std::pair<std::string, NodeId>> silent_;
};

// Runs a command's conversation and closes its connections.
Exit with_sites(const Where& where, std::function<io::Task<Exit>(Sites&)> work,
                Naming naming = Naming::by_itself);

// A command that converses with sites. `Options` has a member `where`, and `cluster` if one of the
// sites can be chosen; the command line is read into it, and the verb gets it.
template <typename Options>
using SiteVerb = io::Task<Exit> (*)(Sites&, std::shared_ptr<Options>, bool as_json);
template <typename Options>
Command add_site_command(Command parent, const About& about, std::shared_ptr<Options> options,
                         SiteVerb<Options> verb, Naming naming = Naming::by_itself) {
  Command command = parent.command(about, [options, verb, naming](const Common& common) {
    const auto work = [options, verb, as_json = common.json](Sites& sites) {
      return verb(sites, options, as_json);
    };
    return with_sites(options->where, work, naming);
  });
  add_where(command, options->where);
  if constexpr (requires { options->cluster; }) add_cluster(command, options->cluster);
  return command;
}

// What a command that lists says of a site that is away, which costs its part of the answer only:
// degraded, or failed where nothing else is known.
void without(const std::string& site, const Error& why);
inline Exit exit_of_list(bool all_known, bool any_known) {
  return all_known ? Exit::done : any_known ? Exit::degraded : Exit::failed;
}

inline std::string nowhere(const std::string& kind, const std::string& name, bool all_known) {
  return "no " + kind + " '" + name + "'" + (all_known ? "" : " at the clusters that answer");
}

// What an answer refuses, as an error; nothing where it does not.
template <typename Response>
std::optional<Error> refusal(const std::string& site, const Response& response) {
  if (response.error_code == kafka::ErrorCode::none) return std::nullopt;
  std::string why(kafka::error_name(response.error_code));
  if (response.error_message && !response.error_message->empty()) why = *response.error_message;
  return Error::message(site + ": " + why);
}

}  // namespace isthmus::cli
