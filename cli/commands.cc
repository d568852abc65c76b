#include "cli/commands.h"

#include <fmt/core.h>

#include <exception>

#include "cli/output.h"
#include "io/gate.h"
#include "io/real.h"

namespace isthmus::cli {
namespace {

struct Outcome {
  Exit exit = Exit::failed;
  std::exception_ptr escaped;
};

io::Task<void> to_its_end(io::Runtime* runtime, io::Task<Exit> work, Outcome* outcome) {
  try {
    outcome->exit = co_await work;
  } catch (...) {
    outcome->escaped = std::current_exception();
  }
  // Posted, so that this frame has ended before the loop stops.
  runtime->env().main_loop().post([runtime] { runtime->stop(); });
}

}  // namespace

Exit fail_with(const Error& error) {
  complain(error.text);
  return Exit::failed;
}

Exit run_task(std::function<io::Task<Exit>(io::Env&)> work) {
  io::Runtime runtime(1);
  io::Gate gate(runtime.env().main_loop());
  Outcome outcome;
  runtime.env().main_loop().post(
      [&] { gate.spawn("command", to_its_end(&runtime, work(runtime.env()), &outcome)); });
  runtime.run();
  if (outcome.escaped) std::rethrow_exception(outcome.escaped);
  return outcome.exit;
}

}  // namespace isthmus::cli
