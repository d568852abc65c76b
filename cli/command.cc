#include "cli/command.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <map>
#include <sstream>

#include "cli/output.h"

namespace isthmus::cli {

struct Command::Chosen {
  Common common;
  Run run;
};

namespace {

void apply(CLI::Option& option, const Command::Rule& rule, CLI::App& app) {
  option.required(rule.required);
  if (rule.type_name != nullptr) option.type_name(rule.type_name);
  if (rule.excludes != nullptr) option.excludes(app.get_option(rule.excludes));
}

}  // namespace

Command Command::group(const char* name, const char* text) {
  CLI::App& group = *app_->add_subcommand(name, text);
  group.require_subcommand(1);
  return {group, *chosen_};
}

Command Command::command(const About& about, Run run) {
  CLI::App& app = *app_->add_subcommand(about.name, about.text);
  app.footer(
      fmt::format("Example:\n  {}\n\n"
                  "Exit: 0 done, 1 failed, 2 degraded, 3 not ready (nothing was changed)",
                  about.example));
  app.add_option_function<std::string>(
         "-o,--output",
         [chosen = chosen_](const std::string& form) { chosen->common.json = form == "json"; },
         "How results are written")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");
  app.callback([chosen = chosen_, run = std::move(run)] { chosen->run = run; });
  return {app, *chosen_};
}

Command Command::word(const char* name, const char* text, bool& chosen) {
  CLI::App& app = *app_->add_subcommand(name, text);
  app.fallthrough();
  app.parse_complete_callback([&chosen] { chosen = true; });
  return {app, *chosen_};
}

void Command::option(const char* name, std::string& value, const char* text, Rule rule) {
  apply(*app_->add_option(name, value, text), rule, *app_);
}

void Command::option(const char* name, int64_t& value, const char* text, Range range) {
  app_->add_option(name, value, text)->check(CLI::Range(range.min, range.max));
}

void Command::option(const char* name, std::vector<std::string>& values, const char* text) {
  app_->add_option(name, values, text);
}

void Command::option(const char* name, size_t& value, const char* text,
                     std::vector<const char*> words) {
  std::map<std::string, size_t> indexes;
  for (size_t i = 0; i < words.size(); ++i) indexes[words[i]] = i;
  app_->add_option(name, value, text)->transform(CLI::CheckedTransformer(std::move(indexes)));
}

void Command::flag(const char* name, bool& value, const char* text, Rule rule) {
  apply(*app_->add_flag(name, value, text), rule, *app_);
}

void Command::argument(const char* name, std::string& value, const char* text) {
  app_->add_option(name, value, text)->required();
}

void Command::arguments(const char* name, std::vector<std::string>& values, const char* text) {
  app_->add_option(name, values, text);
}

CommandLine::CommandLine(const char* name, const char* text)
    : chosen_(std::make_unique<Command::Chosen>()), app_(std::make_unique<CLI::App>(text, name)) {
  app_->require_subcommand(1);
}

CommandLine::~CommandLine() = default;

Command CommandLine::root() { return {*app_, *chosen_}; }

Exit CommandLine::run(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& said) {
    // --help comes this way too, as a success.
    std::ostringstream help, complaint;
    const int code = app_->exit(said, help, complaint);
    show_document(help.str());
    complain_lines(complaint.str());
    return code == 0 ? Exit::done : Exit::failed;
  }
  try {
    return chosen_->run(chosen_->common);
  } catch (const std::exception& escaped) {
    complain(std::string("this should not happen: ") + escaped.what());
    return Exit::failed;
  }
}

}  // namespace isthmus::cli
