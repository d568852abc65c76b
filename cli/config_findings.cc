#include "cli/config_findings.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

namespace isthmus::cli {

std::vector<Finding> judge_certificates(const std::vector<process::CertificateEnd>& certificates,
                                        process::TlsStore::Time now) {
  using process::TlsStore;
  std::vector<Finding> findings;
  for (const auto& [path, file, end] : certificates) {
    const auto day = fmt::format("{:%Y-%m-%d}", fmt::gmtime(TlsStore::Time::clock::to_time_t(end)));
    const auto days = std::chrono::duration_cast<std::chrono::days>(end - now).count();
    if (end <= now) {
      findings.push_back({Verdict::stop, fmt::format("{}: has expired on {}", path, day),
                          "put a new one into " + file});
    } else {
      const bool is_near = end - now <= TlsStore::warn_before;
      findings.push_back({is_near ? Verdict::warn : Verdict::ok,
                          fmt::format("{}: ends in {} days, on {}", path, days, day),
                          is_near ? "renew " + file : ""});
    }
  }
  return findings;
}

std::vector<Finding> judge_secrets(const std::vector<process::Problem>& exposed) {
  std::vector<Finding> findings;
  for (const auto& [path, text] : exposed) {
    findings.push_back({Verdict::warn, path + ": " + text, ""});
  }
  return findings;
}

std::vector<Finding> judge_lines(const std::vector<process::Problem>& exposed) {
  std::vector<Finding> findings;
  for (const auto& [path, text] : exposed) {
    findings.push_back({Verdict::warn, path + ": " + text,
                        "lead it through a tunnel whose end is on this machine; "
                        "docs/operations.md, ZooKeeper"});
  }
  return findings;
}

Finding judge_refusal(const process::Problem& refusal) {
  return {Verdict::warn, refusal.path + ": " + refusal.text,
          "name the brokers of the cluster in super.users, at all of them; docs/operations.md, "
          "Between brokers"};
}

}  // namespace isthmus::cli
