#include "tests/sim/commit.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace isthmus::sim {

namespace {

constexpr uint64_t beyond_known_seeds = 1'000'000;
constexpr size_t digits_used = 8;
constexpr size_t hash_digits = 40;

// Empty where there is no repository, or no git.
std::string head() {
  std::FILE* git = popen("git rev-parse HEAD 2>/dev/null", "r");
  if (git == nullptr) return {};
  char line[128] = {};
  const bool any = std::fgets(line, sizeof line, git) != nullptr;
  const bool good = pclose(git) == 0 && any;
  std::string hash = good ? line : "";
  while (!hash.empty() && hash.back() == '\n') hash.pop_back();
  return hash.size() >= hash_digits ? hash : "";
}

}  // namespace

uint64_t first_fresh_seed(const std::string& hash) {
  const uint64_t number = std::strtoull(hash.substr(0, digits_used).c_str(), nullptr, 16);
  // A multiple of a hundred: whole rounds of all scenarios.
  return (beyond_known_seeds + number) * 100;
}

FreshSeeds fresh_seeds() {
  const std::string hash = head();
  if (!hash.empty()) return {first_fresh_seed(hash), "commit " + hash.substr(0, digits_used)};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return {(beyond_known_seeds + static_cast<uint64_t>(second)) * 100, "the time, without git"};
}

}  // namespace isthmus::sim
