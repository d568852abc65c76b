// What `isthmus quickstart` writes: two sites of one broker each, the mirror between them and the
// router before them, all on this machine. The files are those of config/, with their comments,
// for another folder. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace isthmus::cli {

struct StarterFile {
  std::string name;  // within the folder
  std::string text;
};

struct Starter {
  std::vector<StarterFile> files;
  std::vector<std::string> commands;  // each starts one process, in any order
  std::string bootstrap;              // of the router
};

// `folder` is an absolute path. Error: one with a character that has a meaning of its own in YAML
// or to a shell.
Result<Starter> starter_in(const std::string& folder);

}  // namespace isthmus::cli
