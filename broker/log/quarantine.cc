#include "broker/log/quarantine.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace isthmus::broker {

namespace {

std::string path_in(const std::string& folder) { return folder + "/quarantine"; }

template <typename T>
void take(const nlohmann::json& json, const char* key, T& into) {
  const auto found = json.find(key);
  if (found != json.end() && found->is_number_integer()) into = found->get<T>();
}

}  // namespace

Error quarantine_error(const std::string& folder, const Quarantine& mark) {
  const std::string name = folder.substr(folder.rfind('/') + 1);
  const std::string where = mark.offset < 0
                                ? "damaged"
                                : fmt::format("damaged at position {} of segment {}, offset {}",
                                              mark.position, mark.segment, mark.offset);
  return Error::corrupt(fmt::format(
      "{}: {}: {}. Nothing was cut, and it stays offline. `isthmus partition describe {}` says "
      "what "
      "would be lost and `isthmus partition repair {}` goes on without it; if another site holds "
      "these records, keep this folder and let them be mirrored again",
      folder, where, mark.why, name, name));
}

bool has_quarantine(io::Disk& disk, const std::string& folder) {
  return disk.exists(path_in(folder));
}

Result<std::optional<Quarantine>> read_quarantine(io::Disk& disk, const std::string& folder) {
  const std::string path = path_in(folder);
  if (!has_quarantine(disk, folder)) return std::nullopt;
  auto content = io::read_whole(disk, path);
  if (!content) return fail(content.error());
  const auto json = nlohmann::json::parse(as_text(*content), nullptr, false);
  Quarantine mark;
  mark.why = path + " says so";
  if (!json.is_object()) return mark;
  take(json, "offset", mark.offset);
  take(json, "segment", mark.segment);
  take(json, "position", mark.position);
  take(json, "synced_end", mark.synced_end);
  const auto why = json.find("why");
  if (why != json.end() && why->is_string()) mark.why = why->get<std::string>();
  return mark;
}

Result<void> write_quarantine(io::Disk& disk, const std::string& folder, const Quarantine& mark) {
  const nlohmann::json json{{"version", 0},
                            {"offset", mark.offset},
                            {"segment", mark.segment},
                            {"position", mark.position},
                            {"synced_end", mark.synced_end},
                            {"why", mark.why}};
  const std::string text = write_json(json, JsonForm::indented) + "\n";
  return io::replace_file(disk, path_in(folder), as_bytes(text));
}

Result<void> remove_quarantine(io::Disk& disk, const std::string& folder) {
  if (!has_quarantine(disk, folder)) return {};
  if (auto done = disk.remove(path_in(folder)); !done) return done;
  return disk.sync_folder(folder);
}

}  // namespace isthmus::broker
