#include "kafka/principal.h"

namespace isthmus::kafka {

Result<Principal> Principal::parse(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    return fail("\"" + std::string(text) +
                "\" names nobody; write type and name, as in User:alice");
  }
  return Principal{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

}  // namespace isthmus::kafka
