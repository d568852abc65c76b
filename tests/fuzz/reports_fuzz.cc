// What the commands show of names that a site sends: four pieces of the input, each behind a byte
// that says how long it is.
#include "tests/cli/shown_names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace isthmus;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  auto next = [&rest] {
    if (rest.empty()) return std::string();
    const auto wanted = static_cast<uint8_t>(rest[0]);
    rest.remove_prefix(1);
    const std::string piece(rest.substr(0, wanted));
    rest.remove_prefix(piece.size());
    return piece;
  };
  cli::OutsideNames names;
  for (std::string* name : {&names.topic, &names.group, &names.reason, &names.source}) {
    *name = next();
  }
  cli::show_all(names);
  return 0;
}
