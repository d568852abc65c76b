// isthmus user: who may log in with a password. The same at all sites that the file names, so that
// a switchover changes nothing for them; --cluster takes one.
#include <fmt/core.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/crypto.h"
#include "cli/output.h"
#include "cli/sites.h"
#include "cli/table.h"
#include "kafka/gen/alter_user_scram_credentials.h"
#include "kafka/gen/describe_user_scram_credentials.h"
#include "kafka/sasl/credential.h"
#include "process/config_file.h"

namespace isthmus::cli {
namespace {

using kafka::ErrorCode;
using kafka::ScramMechanism;
using nlohmann::json;
using AlterRequest = kafka::AlterUserScramCredentialsRequest;

constexpr ScramMechanism mechanisms[] = {ScramMechanism::scram_sha_256,
                                         ScramMechanism::scram_sha_512};

struct UserOptions {
  Where where;
  std::string cluster;
  std::string name;
  std::string password_file;
  int64_t iterations = 8192;
};
using Options = std::shared_ptr<UserOptions>;

const char* name_of(ScramMechanism mechanism) {
  return mechanism == ScramMechanism::scram_sha_256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512";
}

HashAlgorithm hash_of(ScramMechanism mechanism) {
  return mechanism == ScramMechanism::scram_sha_256 ? HashAlgorithm::sha256 : HashAlgorithm::sha512;
}

// From a file, or one line of stdin: a password on the command line would stand in the list of
// processes and in the shell's history.
Result<std::string> read_password(const std::string& file) {
  std::string password;
  if (file.empty()) {
    std::getline(std::cin, password);
  } else {
    auto text = process::read_config_file(file);
    if (!text) return fail(text.error());
    password = std::move(*text);
    if (password.ends_with('\n')) password.pop_back();
  }
  if (kafka::is_password(password)) return password;
  return fail(
      "the password has 1 to 4,096 bytes of UTF-8; it is read from --password-file, or "
      "from one line of the standard input");
}

// The password itself never leaves this process: it is salted here.
AlterRequest upsertions(const UserOptions& options, const std::string& password) {
  AlterRequest request;
  for (ScramMechanism mechanism : mechanisms) {
    std::array<uint8_t, 32> random;
    fill_random(random);
    kafka::PasswordDerivation derivation{hash_of(mechanism), password, kafka::make_salt(random),
                                         static_cast<int32_t>(options.iterations)};
    auto& change = request.upsertions.emplace_back();
    change.name = options.name;
    change.mechanism = mechanism;
    change.iterations = derivation.iterations;
    change.salted_password = Slice::take(derivation.run());
    change.salt = Slice::take(std::move(derivation.salt));
  }
  return request;
}

using Known = std::map<std::string, std::map<ScramMechanism, int32_t>>;

io::Task<Result<Known>> users_at(Sites& sites, std::string site) {
  auto answer = co_await sites.ask(site, kafka::DescribeUserScramCredentialsRequest{});
  if (!answer) co_return fail(answer.error());
  if (auto refused = refusal(site, *answer)) co_return fail(*refused);
  Known known;
  for (const auto& user : answer->results) {
    for (const auto& one : user.credential_infos) known[user.user][one.mechanism] = one.iterations;
  }
  co_return known;
}

// One site after the other; each says what became of it.
template <typename MakeRequest>
io::Task<Exit> change_all(Sites& sites, Options options, const char* what, MakeRequest make_request,
                          bool as_json) {
  if (!options->cluster.empty() && !sites.has(options->cluster)) {
    co_return fail_with(sites.choose(options->cluster).error());
  }
  json out = json::object();
  size_t done = 0;
  const auto names = sites.names(options->cluster);
  for (const auto& site : names) {
    auto known = co_await users_at(sites, site);
    Result<void> changed;
    if (!known) {
      changed = fail(known.error());
    } else {
      auto answer = co_await sites.ask(site, make_request(*known));
      if (!answer) {
        changed = fail(answer.error());
      } else if (!answer->results.empty()) {
        if (auto refused = refusal(site, answer->results[0])) changed = fail(*refused);
      }
    }
    done += changed.has_value();
    out[site] = changed ? json(what) : json({{"error", changed.error().text}});
    if (!changed) complain(changed.error().text);
    if (changed && !as_json) say("{}: {} {}", site, options->name, what);
  }
  if (as_json) show(out);
  co_return done == names.size() ? Exit::done : done > 0 ? Exit::degraded : Exit::failed;
}

io::Task<Exit> set(Sites& sites, Options options, bool as_json) {
  auto password = read_password(options->password_file);
  if (!password) co_return fail_with(password.error());
  const AlterRequest request = upsertions(*options, *password);
  co_return co_await change_all(
      sites, options, "may log in", [request](const Known&) { return request; }, as_json);
}

io::Task<Exit> remove(Sites& sites, Options options, bool as_json) {
  auto removal = [name = options->name](const Known& known) {
    AlterRequest request;
    const auto user = known.find(name);
    if (user == known.end()) {  // the site says so in its own words
      request.deletions.push_back({name, ScramMechanism::scram_sha_512});
      return request;
    }
    for (const auto& [mechanism, iterations] : user->second) {
      request.deletions.push_back({name, mechanism});
    }
    return request;
  };
  co_return co_await change_all(sites, options, "may log in no more", removal, as_json);
}

io::Task<Exit> list(Sites& sites, Options options, bool as_json) {
  std::map<std::string, Known> by_site;
  bool all_known = true;
  for (const auto& site : sites.names(options->cluster)) {
    auto known = co_await users_at(sites, site);
    if (known) {
      by_site[site] = std::move(*known);
    } else {
      all_known = false;
      without(site, known.error());
    }
  }
  json out = json::array();
  Table table({{"Cluster"}, {"User"}, {"Mechanism"}, {"Iterations", true}});
  for (const auto& [site, known] : by_site) {
    for (const auto& [user, credentials] : known) {
      for (const auto& [mechanism, iterations] : credentials) {
        out.push_back({{"cluster", site},
                       {"user", user},
                       {"mechanism", name_of(mechanism)},
                       {"iterations", iterations}});
        table.add({site, user, name_of(mechanism), grouped(iterations)});
      }
    }
  }
  if (as_json) {
    show(out);
  } else if (table.empty()) {
    say("nobody; isthmus user set NAME makes one");
  } else {
    show(table);
  }
  co_return exit_of_list(all_known, !by_site.empty());
}

}  // namespace

void add_user(Command line) {
  Command group = line.group("user", "Who may log in with a password, by PLAIN or SCRAM");
  auto options = std::make_shared<UserOptions>();
  add_site_command(group,
                   {"list", "Users, without anything of their passwords",
                    "isthmus user list --config config/router.yaml"},
                   options, list);
  Command setting = add_site_command(
      group,
      {"set", "Makes a user, or gives one another password, at all clusters that the file names",
       "isthmus user set alice --password-file alice.secret --config config/router.yaml"},
      options, set);
  setting.argument("NAME", options->name);
  setting.option("--password-file", options->password_file,
                 "A file that holds the password; without it, one line of the standard input",
                 {.type_name = "FILE"});
  setting.option("--iterations", options->iterations, "How hard guessing is (default: 8192)",
                 {kafka::least_iterations, kafka::most_iterations});
  Command removing =
      add_site_command(group,
                       {"delete", "Takes a user's passwords away; who is logged in is out",
                        "isthmus user delete alice --config config/router.yaml"},
                       options, remove);
  removing.argument("NAME", options->name);
}

}  // namespace isthmus::cli
