// isthmus-sim: runs scenarios over many seeds, or one seed again to look at it. See
// docs/simulator.md.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "base/log.h"
#include "tests/sim/commit.h"
#include "tests/sim/workers.h"

namespace isthmus::sim {
namespace {

constexpr char usage[] =
    "usage: isthmus-sim [--seeds N] [--first N] [--fresh N] [--scenario NAME] [--jobs N]\n"
    "                   [--failures N] [--breaks INVARIANT]\n"
    "       isthmus-sim --seed N [--scenario NAME] [--verbose]\n"
    "Runs the seeds 1 to 2000 and 500 fresh ones, which the commit chooses (ten times as many "
    "with\n"
    "ISTHMUS_LONG=1); or those that are asked for; or one seed twice. Exits with 1 if an "
    "invariant\n"
    "broke (with --breaks: that one) or a seed did not replay.\n";

constexpr uint64_t default_fresh = 500;

struct Options {
  Plan plan;
  bool plan_is_chosen = false;  // by options, of which seeds
  uint64_t one_seed = 0;
  bool verbose = false;
};

const Scenario* find_scenario(std::string_view name) {
  for (const Scenario& scenario : all_scenarios()) {
    if (scenario.name == name) return &scenario;
  }
  return nullptr;
}

[[noreturn]] void refuse(const std::string& why) {
  fmt::print(stderr, "isthmus-sim: {}\n{}scenarios:", why, usage);
  for (const Scenario& scenario : all_scenarios()) fmt::print(stderr, " {}", scenario.name);
  fmt::print(stderr, "\n");
  std::exit(2);
}

uint64_t number_in(const std::string& option, const char* text) {
  char* end = nullptr;
  const uint64_t value = std::strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0') refuse(option + " takes a number, not " + text);
  return value;
}

// One option with its value; false if there is none of that name.
bool take(Options& options, const std::string& option, const char* value) {
  Plan& plan = options.plan;
  if (option == "--scenario") {
    plan.scenario = find_scenario(value);
    if (plan.scenario == nullptr && std::strcmp(value, "all") != 0) {
      refuse(std::string("no scenario is called ") + value);
    }
  } else if (option == "--seeds") {
    plan.seeds = number_in(option, value);
    options.plan_is_chosen = true;
  } else if (option == "--first") {
    plan.first = number_in(option, value);
    options.plan_is_chosen = true;
  } else if (option == "--fresh") {
    plan.fresh = number_in(option, value);
    options.plan_is_chosen = true;
  } else if (option == "--seed") {
    options.one_seed = number_in(option, value);
  } else if (option == "--jobs") {
    plan.workers = static_cast<unsigned>(std::max<uint64_t>(1, number_in(option, value)));
  } else if (option == "--failures") {
    plan.failures = number_in(option, value);
  } else if (option == "--breaks") {
    plan.sought = value;
  } else {
    return false;
  }
  return true;
}

Options parse(int argc, char** argv) {
  Options options;
  Plan& plan = options.plan;
  plan.workers = std::max(1u, std::thread::hardware_concurrency());
  const char* longer = std::getenv("ISTHMUS_LONG");
  const uint64_t times = longer != nullptr && std::strcmp(longer, "1") == 0 ? 10 : 1;
  plan.seeds *= times;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--verbose") {
      options.verbose = true;
      continue;
    }
    if (i + 1 == argc) refuse(option + " is unknown, or lacks its value");
    if (!take(options, option, argv[++i])) refuse(option + " is unknown");
  }
  if (!options.plan_is_chosen) plan.fresh = default_fresh * times;
  return options;
}

void print_progress(const Plan& plan, const Summary& summary) {
  static const bool to_terminal = isatty(STDERR_FILENO) != 0;
  if (!to_terminal) return;
  fmt::print(stderr, "\r{} of {} seeds", summary.seeds, plan.size());
  std::fflush(stderr);
}

void print_verdict(uint64_t seed, const std::string& scenario, const Violation& violation) {
  fmt::print("BROKEN: {}\n  {}\n  replay: isthmus-sim --seed {} --scenario {} --verbose\n",
             violation.invariant, violation.details, seed, scenario);
}

int run_one(const Options& options) {
  const uint64_t seed = options.one_seed;
  const Scenario& scenario =
      options.plan.scenario != nullptr ? *options.plan.scenario : scenario_of(seed);
  const Verdict verdict = run_seed(scenario, seed);
  set_log_level(LogLevel::off);
  const Verdict again = run_seed(scenario, seed);
  fmt::print("seed {} of {}: trace {:016x}, {} records acknowledged\n", seed, scenario.name,
             verdict.trace_hash, verdict.acknowledged);
  for (const auto& [fault, count] : verdict.faults) fmt::print("  {:6} {}\n", count, fault);
  if (verdict.trace_hash != again.trace_hash) {
    fmt::print("DOES NOT REPLAY: the second run's trace is {:016x}\n", again.trace_hash);
    return 1;
  }
  if (!verdict.violation) return 0;
  print_verdict(seed, std::string(scenario.name), *verdict.violation);
  return 1;
}

int run_many(Plan plan) {
  if (plan.fresh > 0) {
    const FreshSeeds fresh = fresh_seeds();
    plan.fresh_first = fresh.first;
    fmt::print("fresh seeds: {}, from --first {} (of {})\n", plan.fresh, fresh.first, fresh.from);
    std::fflush(stdout);
  }
  const auto begin = std::chrono::steady_clock::now();
  const Summary summary = run_all(plan, print_progress);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print(
      "\n{} seeds in {:.1f} s ({:.1f} per second), {:.1f} h of virtual time, "
      "{} records acknowledged, trace {:016x}\n",
      summary.seeds, took.count(), static_cast<double>(summary.seeds) / took.count(),
      summary.virtual_seconds / 3600, summary.acknowledged, summary.trace_hash);
  for (const auto& [fault, count] : summary.faults) fmt::print("  {:8} {}\n", count, fault);
  for (const auto& [invariant, count] : summary.others) {
    fmt::print("not sought: {} seeds broke \"{}\"\n", count, invariant);
  }
  for (const Finding& f : summary.findings) print_verdict(f.seed, f.scenario, f.violation);
  return summary.findings.empty() ? 0 : 1;
}

}  // namespace
}  // namespace isthmus::sim

int main(int argc, char** argv) {
  using namespace isthmus::sim;
  const Options options = parse(argc, argv);
  isthmus::set_log_level(options.verbose ? isthmus::LogLevel::debug : isthmus::LogLevel::off);
  return options.one_seed != 0 ? run_one(options) : run_many(options.plan);
}
