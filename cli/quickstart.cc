// isthmus quickstart: two sites on this machine, to try things out.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/starter.h"
#include "io/disk.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

// An absent folder is made; whatever is in one that is there is somebody's.
Result<void> want_empty(io::Disk& disk, const std::string& folder) {
  if (!disk.exists(folder)) return disk.make_folders(folder);
  const auto names = disk.list(folder);
  if (!names) return fail(names.error());
  if (names->empty()) return {};
  return fail(folder + " is not empty, and nothing in it is changed: name another folder");
}

// All files, or none.
Result<void> write_all(io::Disk& disk, const std::string& folder, const Starter& starter) {
  for (size_t i = 0; i < starter.files.size(); ++i) {
    const StarterFile& file = starter.files[i];
    auto written = io::replace_file(disk, folder + "/" + file.name, as_bytes(file.text));
    if (written) continue;
    for (size_t j = 0; j < i; ++j) (void)disk.remove(folder + "/" + starter.files[j].name);
    return written;
  }
  return {};
}

void print(const std::string& folder, const Starter& starter) {
  say("Two sites, the mirror between them and the router before them are described in {}.", folder);
  say("Start them, each in a terminal of its own:");
  for (const std::string& command : starter.commands) say("  {}", command);
  say("Then clients find them at {}. To see what is there, and to move to the other site:",
      starter.bootstrap);
  say("  isthmus topic list --config {}/router.yaml", folder);
  say("  isthmus switchover --from seoul --to tokyo --config {}/router.yaml", folder);
}

json to_json(const std::string& folder, const Starter& starter) {
  json files = json::array();
  for (const StarterFile& file : starter.files) files.push_back(folder + "/" + file.name);
  return {{"folder", folder},
          {"files", files},
          {"commands", starter.commands},
          {"bootstrap", starter.bootstrap}};
}

io::Task<Exit> quickstart(io::Env& env, std::string wanted, bool as_json) {
  std::filesystem::path path = std::filesystem::absolute(wanted).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string folder = path;
  const auto starter = starter_in(folder);
  if (!starter) co_return fail_with(starter.error());
  if (auto empty = want_empty(env.disk, folder); !empty) co_return fail_with(empty.error());
  if (auto written = write_all(env.disk, folder, *starter); !written) {
    co_return fail_with(written.error());
  }
  if (as_json) {
    show(to_json(folder, *starter));
  } else {
    print(folder, *starter);
  }
  co_return Exit::done;
}

}  // namespace

void add_quickstart(Command line) {
  auto folder = std::make_shared<std::string>();
  Command command = line.command(
      {"quickstart", "Writes two sites for this machine, and says what starts them",
       "isthmus quickstart /tmp/isthmus"},
      [folder](const Common& common) {
        return run_task([&](io::Env& env) { return quickstart(env, *folder, common.json); });
      });
  command.argument("DIR", *folder, "An empty folder, or one that is not there yet");
}

}  // namespace isthmus::cli
