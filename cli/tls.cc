// isthmus tls create: certificates to try TLS with.
#include <fmt/core.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "io/throwaway_folder.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

constexpr int64_t longest_days = 3650;

struct CreateOptions {
  std::string names;
  std::vector<std::string> hosts;
  io::ThrowawayWish wish;
};
using Options = std::shared_ptr<CreateOptions>;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// 2026-03-01T12:00:00Z
std::string time_text(int64_t since_1970_s) {
  const auto time = static_cast<time_t>(since_1970_s);
  tm parts{};
  char text[32];
  const size_t size =
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&time, &parts));
  return {text, size};
}

std::string warning(const io::MadeCertificates& made) {
  return fmt::format(
      "For trying things out only: whoever reads {}ca.key can be anybody, nothing can be revoked, "
      "and all of it ends. For real use take certificates of an authority that is looked after.",
      made.ca.substr(0, made.ca.size() - std::string_view("ca.crt").size()));
}

json to_json(const io::MadeCertificates& made) {
  json certificates = json::array();
  for (const io::MadeCertificate& each : made.made) {
    certificates.push_back({{"name", each.name},
                            {"certificate", each.certificate},
                            {"key", each.key},
                            {"valid_until", time_text(each.valid_until_s)}});
  }
  return {{"ca",
           {{"certificate", made.ca},
            {"new", made.is_new_ca},
            {"valid_until", time_text(made.ca_valid_until_s)}}},
          {"certificates", certificates},
          {"warning", warning(made)}};
}

void print(const io::MadeCertificates& made) {
  say("{}  {} CA, valid until {}", made.ca, made.is_new_ca ? "a new" : "the same",
      time_text(made.ca_valid_until_s));
  Table table({{"NAME"}, {"CERTIFICATE"}, {"KEY"}, {"VALID UNTIL"}});
  for (const io::MadeCertificate& each : made.made)
    table.add({each.name, each.certificate, each.key, time_text(each.valid_until_s)});
  show(table);
  say("{}", warning(made));
}

io::Task<Exit> create(io::Env& env, Options options, bool as_json) {
  io::ThrowawayWish wish = options->wish;
  wish.names = split(options->names);
  for (const std::string& hosts : options->hosts) {
    for (std::string& host : split(hosts)) wish.hosts.push_back(std::move(host));
  }
  wish.now_s = env.main_loop().wall_ms() / 1000;
  auto made = io::make_throwaway_certificates(wish);
  if (!made) co_return fail_with(made.error());
  if (as_json) {
    show(to_json(*made));
  } else {
    print(*made);
  }
  co_return Exit::done;
}

}  // namespace

void add_tls(Command line) {
  Command group = line.group("tls", "Certificates");
  auto options = std::make_shared<CreateOptions>();
  Command made = group.command(
      {"create", "Makes a throw-away CA and certificates, for trying things out and nothing else",
       "isthmus tls create --for seoul,tokyo,router --out /tmp/isthmus/tls"},
      [options](const Common& common) {
        return run_task([&](io::Env& env) { return create(env, options, common.json); });
      });
  made.option("--for", options->names, "A certificate and a key for each name, with commas",
              {.required = true, .type_name = "NAMES"});
  made.option("--out", options->wish.folder,
              "The folder of the files; one that has such a CA gets more certificates of it",
              {.required = true, .type_name = "DIR"});
  made.option("--days", options->wish.days, "How long they hold (default 90)", {1, longest_days});
  made.option("--host", options->hosts,
              "More hosts that the certificates hold for, besides the name and this machine");
}

}  // namespace isthmus::cli
