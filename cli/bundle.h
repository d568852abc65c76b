// Bundle: the parts of `isthmus debug bundle` as files of one archive, with a list of what is in it
// and what is not, and why. Plain values.
//
// Of a configuration it takes what may be given away (process/config_file.h), and nothing of a file
// that does not load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace isthmus::cli {

struct BundlePart {
  std::string name;  // of its file
  std::string note;  // what it is, or why it is not there
  std::optional<std::string> text;
  bool is_missed = false;  // it should be there, and is not
};

class Bundle {
 public:
  // All parts stand in a folder of this name.
  Bundle(std::string folder, int64_t made_s) : folder_(std::move(folder)), made_s_(made_s) {}

  void add(std::string name, std::string note, std::string text) {
    parts_.push_back({std::move(name), std::move(note), std::move(text)});
  }
  // It could not be had.
  void miss(std::string name, std::string why) {
    parts_.push_back({std::move(name), std::move(why), std::nullopt, true});
  }
  // Nobody asked for it.
  void leave_out(std::string name, std::string why) {
    parts_.push_back({std::move(name), std::move(why), std::nullopt});
  }

  const std::vector<BundlePart>& parts() const { return parts_; }
  bool misses_some() const;
  // As a tar.
  std::string archive() const;

 private:
  std::string folder_;
  int64_t made_s_;
  std::vector<BundlePart> parts_;
};

// What the bundle has of a configuration with this text.
Result<std::string> config_to_give(const std::string& text, const std::string& file);

}  // namespace isthmus::cli
