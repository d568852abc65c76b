// Principal: who speaks, as Kafka names it: "User:alice". Who has proved nothing is User:ANONYMOUS.
//
// A plain value. Types other than User are taken as they are, as in Kafka: an ACL may name one, and
// nobody who logs in here has it.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace isthmus::kafka {

struct Principal {
  std::string type = "User";
  std::string name = "ANONYMOUS";

  std::string to_string() const { return type + ":" + name; }
  // Split at the first colon: a name may hold more of them. A text for the operator says what is
  // wrong with one that has no colon, or nothing on one of its sides.
  static Result<Principal> parse(std::string_view text);
  friend auto operator<=>(const Principal&, const Principal&) = default;
};

}  // namespace isthmus::kafka
