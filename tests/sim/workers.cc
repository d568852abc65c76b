#include "tests/sim/workers.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/json.h"
#include "tests/sim/world/schedule.h"

namespace isthmus::sim {

namespace {

using Json = nlohmann::json;

// Real time for one event, which takes microseconds. Never for a seed: how long one may take
// depends on the machine and its load, and every wait in virtual time has a limit there.
constexpr unsigned seconds_per_event = 30;

// Ends the process (SIGALRM) when two looks in a row find the same event at work.
void watch(int) {
  static uint64_t seen = 0;
  const uint64_t begun = events_begun.load(std::memory_order_relaxed);
  if (begun == seen) {
    signal(SIGALRM, SIG_DFL);
    raise(SIGALRM);
  }
  seen = begun;
  alarm(seconds_per_event);
}

struct Worker {
  pid_t process = -1;
  int pipe = -1;
  std::string unread;
  uint64_t running = 0;  // the seed at work; 0 = none
  bool ended = false;
};

const Scenario& scenario_for(const Plan& plan, uint64_t seed) {
  return plan.scenario != nullptr ? *plan.scenario : scenario_of(seed);
}

void tell(int pipe, const Json& line) {
  const std::string text = write_json(line) + "\n";
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = write(pipe, text.data() + written, text.size() - written);
    if (n <= 0) _exit(3);  // nobody listens any more
    written += static_cast<size_t>(n);
  }
}

[[noreturn]] void work(const Plan& plan, unsigned number, int pipe) {
  signal(SIGALRM, watch);
  alarm(seconds_per_event);
  for (uint64_t i = number; i < plan.size(); i += plan.workers) {
    const uint64_t seed = plan.seed(i);
    tell(pipe, {{"begin", seed}});
    const Verdict verdict = run_seed(scenario_for(plan, seed), seed);
    Json line = {{"end", seed},
                 {"hash", verdict.trace_hash},
                 {"acknowledged", verdict.acknowledged},
                 {"virtual", std::chrono::duration<double>(verdict.virtual_time).count()},
                 {"faults", verdict.faults}};
    if (verdict.violation) {
      line["invariant"] = verdict.violation->invariant;
      line["details"] = verdict.violation->details;
    }
    tell(pipe, line);
  }
  _exit(0);
}

Worker start(const Plan& plan, unsigned number) {
  int ends[2];
  CHECK(::pipe(ends) == 0, "a pipe");
  const pid_t process = fork();
  CHECK(process >= 0, "a process");
  if (process == 0) {
    close(ends[0]);
    work(plan, number, ends[1]);
  }
  close(ends[1]);
  Worker worker;
  worker.process = process;
  worker.pipe = ends[0];
  return worker;
}

void found(const Plan& plan, uint64_t seed, Violation violation, Summary& summary) {
  if (!plan.sought.empty() && violation.invariant != plan.sought) {
    ++summary.others[violation.invariant];
    return;
  }
  const std::string scenario(scenario_for(plan, seed).name);
  summary.findings.push_back({seed, scenario, std::move(violation)});
}

void take(const Plan& plan, Worker& worker, const Json& line, Summary& summary) {
  if (line.contains("begin")) {
    worker.running = line["begin"];
    return;
  }
  const uint64_t seed = line["end"];
  worker.running = 0;
  ++summary.seeds;
  summary.trace_hash += line["hash"].get<uint64_t>();
  summary.acknowledged += line["acknowledged"].get<uint64_t>();
  summary.virtual_seconds += line["virtual"].get<double>();
  for (const auto& [fault, count] : line["faults"].items()) {
    summary.faults[fault] += count.get<uint64_t>();
  }
  if (!line.contains("invariant")) return;
  found(plan, seed, {line["invariant"], line["details"]}, summary);
}

// The worker has ended; if that was in the middle of a seed, the seed has ended it.
void take_end(const Plan& plan, Worker& worker, Summary& summary) {
  int status = 0;
  waitpid(worker.process, &status, 0);
  close(worker.pipe);
  worker.ended = true;
  if (worker.running == 0) return;
  std::string how = "it ended with status " + std::to_string(status);
  if (WIFSIGNALED(status)) how = strsignal(WTERMSIG(status));
  const bool hangs = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
  if (hangs) how = "an event does not end";
  found(plan, worker.running,
        {hangs ? "a run ends" : "nothing aborts", how + "; replay it to see where"}, summary);
}

void read_from(const Plan& plan, Worker& worker, Summary& summary) {
  char buffer[65'536];
  const ssize_t n = read(worker.pipe, buffer, sizeof buffer);
  if (n <= 0) return take_end(plan, worker, summary);
  worker.unread.append(buffer, static_cast<size_t>(n));
  for (size_t end; (end = worker.unread.find('\n')) != std::string::npos;) {
    take(plan, worker, Json::parse(worker.unread.substr(0, end)), summary);
    worker.unread.erase(0, end + 1);
  }
}

}  // namespace

Summary run_all(const Plan& plan, void (*progress)(const Plan&, const Summary&)) {
  Summary summary;
  std::vector<Worker> workers;
  for (unsigned i = 0; i < plan.workers; ++i) workers.push_back(start(plan, i));
  auto working = [](const Worker& worker) { return !worker.ended; };
  while (std::ranges::any_of(workers, working) && summary.findings.size() < plan.failures) {
    std::vector<pollfd> polled;
    for (const Worker& worker : workers) {
      polled.push_back({worker.ended ? -1 : worker.pipe, POLLIN, 0});
    }
    poll(polled.data(), polled.size(), 200);
    for (size_t i = 0; i < workers.size(); ++i) {
      if (polled[i].revents != 0) read_from(plan, workers[i], summary);
    }
    progress(plan, summary);
  }
  for (Worker& worker : workers) {
    if (worker.ended) continue;
    kill(worker.process, SIGKILL);
    worker.running = 0;
    take_end(plan, worker, summary);
  }
  std::ranges::sort(summary.findings, {}, &Finding::seed);
  return summary;
}

}  // namespace isthmus::sim
