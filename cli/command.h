// Command: the command line as the commands describe it. CLI11 reads it, in command.cc and nowhere
// else: its header costs a source more than all the rest of it.
//
// A command stands in a group, takes options, and says what runs once the whole line was
// understood. Values are written into variables of the caller's, which must outlive the parsing;
// what is wrong with a line is said by parse(), in one line, before anything runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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
using Run = std::function<Exit(const Common&)>;

struct About {
  const char* name;
  const char* text;
  const char* example;  // a whole line that works as it stands
};

class Command {
 public:
  // How the line may use an option; type_name is what --help shows for its value.
  struct Rule {
    bool required = false;
    const char* type_name = nullptr;
    const char* excludes = nullptr;  // an option added before, which may not stand beside it
  };
  struct Range {
    int64_t min;
    int64_t max;
  };

  // Only holds commands.
  Command group(const char* name, const char* text);
  // Can be run; with -o and an example in its --help.
  Command command(const About& about, Run run);
  // A word behind a command that takes the same options, and sets `chosen`.
  Command word(const char* name, const char* text, bool& chosen);

  void option(const char* name, std::string& value, const char* text, Rule rule);
  void option(const char* name, std::string& value, const char* text) {
    option(name, value, text, {});
  }
  void option(const char* name, int64_t& value, const char* text, Range range);
  void option(const char* name, std::vector<std::string>& values, const char* text);
  // One of the words; the value is its index.
  void option(const char* name, size_t& value, const char* text, std::vector<const char*> words);
  void flag(const char* name, bool& value, const char* text, Rule rule);
  void flag(const char* name, bool& value, const char* text) { flag(name, value, text, {}); }
  // What stands without a name; always required.
  void argument(const char* name, std::string& value, const char* text = "");
  // Any number of them, also none.
  void arguments(const char* name, std::vector<std::string>& values, const char* text);

 private:
  friend class CommandLine;
  struct Chosen;
  Command(CLI::App& app, Chosen& chosen) : app_(&app), chosen_(&chosen) {}

  CLI::App* app_;
  Chosen* chosen_;
};

// The whole line: main() fills it from root() on, and runs it.
class CommandLine {
 public:
  CommandLine(const char* name, const char* text);
  ~CommandLine();

  Command root();
  // Reads the line and runs the command that it names. --help is a success. The one place where
  // exceptions of libraries end: one line on stderr, and Exit::failed.
  Exit run(int argc, char** argv);

 private:
  std::unique_ptr<Command::Chosen> chosen_;
  std::unique_ptr<CLI::App> app_;
};

}  // namespace isthmus::cli
