// The operator's commands. Each group of commands is one file, cli/<group>.cc, with one function
// add_<group>() that is declared here and named in the table of main.cc; nothing else knows it.
//
// A command says what it does, shows an example in --help, takes -o json, and ends in an Exit.
// Results go to stdout, everything else to stderr.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/command.h"
#include "io/env.h"
#include "io/task.h"

namespace isthmus::cli {

// One line on stderr, "isthmus: ...", and Exit::failed.
Exit fail_with(const Error& error);

// Runs a conversation with the world on a loop of its own, to its end. `work` gets an Env that it
// may use until it returns.
// May throw what `work` throws.
Exit run_task(std::function<io::Task<Exit>(io::Env&)> work);

void add_roles(Command line);   // broker, mirror, router
void add_config(Command line);  // config check, config reference
void add_log(Command line);     // log level, log components
void add_top(Command line);
void add_debug(Command line);  // debug bundle
void add_metadata(Command line);
void add_metrics(Command line);
void add_quickstart(Command line);
void add_topic(Command line);
void add_partition(Command line);
void add_cluster_group(Command line);   // cluster describe, drain, remove
void add_consumer_group(Command line);  // group list, group describe
void add_link(Command line);
void add_switchover(Command line);
void add_failover(Command line);
void add_route(Command line);
void add_tls(Command line);
void add_user(Command line);

}  // namespace isthmus::cli
