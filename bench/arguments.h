// Arguments: `key=value` words of a command line, for the two programs that bench/run.py starts.
// A missing or malformed one ends the program: only a script calls these.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace isthmus::bench {

class Arguments {
 public:
  Arguments(int argc, char** argv, int from);

  std::string text(const std::string& key) const;  // that must be there
  std::string text(const std::string& key, std::string otherwise) const;
  int64_t number(const std::string& key) const;
  int64_t number(const std::string& key, int64_t otherwise) const;

 private:
  std::map<std::string, std::string> values_;
};

// Says why on stderr and exits with 1.
[[noreturn]] void give_up(const std::string& why);

}  // namespace isthmus::bench
