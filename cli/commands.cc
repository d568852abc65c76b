#include "cli/commands.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
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

CLI::App& add_group(CLI::App& parent, const char* name, const char* text) {
  CLI::App& group = *parent.add_subcommand(name, text);
  group.require_subcommand(1);
  return group;
}

CLI::App& add_command(CLI::App& parent, Chosen& chosen, const About& about, Run run) {
  CLI::App& command = *parent.add_subcommand(about.name, about.text);
  command.footer(
      fmt::format("Example:\n  {}\n\n"
                  "Exit: 0 done, 1 failed, 2 degraded, 3 not ready (nothing was changed)",
                  about.example));
  command
      .add_option_function<std::string>(
          "-o,--output",
          [&chosen](const std::string& form) { chosen.common.json = form == "json"; },
          "How results are written")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");
  command.callback([&chosen, run = std::move(run)] { chosen.run = run; });
  return command;
}

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

Exit run_chosen(const Chosen& chosen) {
  try {
    return chosen.run(chosen.common);
  } catch (const std::exception& escaped) {
    return fail_with(Error::message(std::string("this should not happen: ") + escaped.what()));
  }
}

}  // namespace isthmus::cli
