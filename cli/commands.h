// The operator's commands. Each group of commands is one file, cli/<group>.cc, with one function
// add_<group>() that is declared here and named in the table of main.cc; nothing else knows it.
//
// A command says what it does, shows an example in --help, takes -o json, and ends in an Exit.
// Results go to stdout, everything else to stderr. CLI11 is known to the .cc files only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/env.h"
#include "io/task.h"

namespace CLI {
class App;
}

namespace isthmus::cli {

enum class Exit : int {
  done = 0,
  failed = 1,
  degraded = 2,   // it works, but not all of it
  not_ready = 3,  // a condition is not met; nothing was changed
};

// What every command takes.
struct Common {
  bool json = false;  // -o json
};

// The command that the user chose; main() runs it after the whole line was understood.
using Run = std::function<Exit(const Common&)>;
struct Chosen {
  Common common;
  Run run;
};

struct About {
  const char* name;
  const char* text;
  const char* example;  // a whole line that works as it stands
};

// A group only holds commands; a command can be run. Both under `parent`; the App is CLI11's, for
// adding options.
CLI::App& add_group(CLI::App& parent, const char* name, const char* text);
CLI::App& add_command(CLI::App& parent, Chosen& chosen, const About& about, Run run);

// One line on stderr, "isthmus: ...", and Exit::failed.
Exit fail_with(const Error& error);

// Runs a conversation with the world on a loop of its own, to its end. `work` gets an Env that it
// may use until it returns.
// May throw what `work` throws.
Exit run_task(std::function<io::Task<Exit>(io::Env&)> work);

// Runs what the user chose. The one place where exceptions of libraries end: one line on stderr,
// and Exit::failed.
Exit run_chosen(const Chosen& chosen);

void add_roles(CLI::App& app, Chosen& chosen);   // broker, mirror, router
void add_config(CLI::App& app, Chosen& chosen);  // config check, config reference
void add_topic(CLI::App& app, Chosen& chosen);
void add_consumer_group(CLI::App& app, Chosen& chosen);  // group list, group describe
void add_link(CLI::App& app, Chosen& chosen);
void add_switchover(CLI::App& app, Chosen& chosen);
void add_failover(CLI::App& app, Chosen& chosen);
void add_route(CLI::App& app, Chosen& chosen);

}  // namespace isthmus::cli
