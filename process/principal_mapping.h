// PrincipalMapping: ssl.principal.mapping.rules (KIP-371): which name a client has that shows the
// certificate of a distinguished name, written as RFC 2253 says: CN=duke,OU=users,O=org.
//
//   RULE:^CN=(.*?),OU=users.*$/$1/L, RULE:^CN=(.*?),.*$/$1@hosts/, DEFAULT
//
// The first rule whose pattern matches the whole name counts. As in Kafka, every match of the
// pattern in the name is then replaced: `.*` also matches the nothing behind the name, so that
// `RULE:.*/x/` makes "xx" of it, there and here. $1 is what stood in the first parentheses, $0 the
// whole match; a group that the pattern has not is plain text. A backslash takes the sense from the
// sign behind it, the slash that ends a part included; commas inside a rule mean nothing. L and U
// change the case of letters, of any script (one letter for one, but for ß). DEFAULT is the
// distinguished name itself.
//
// Patterns are RE2's, which takes linear time: the name comes from outside. What Java reads in
// another sense (a class inside a class) or what would fail at each connection there (a group of a
// pattern without any, no rule at all) is refused when the rules are read.
// A plain value; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace isthmus::process {

class PrincipalMapping {
 public:
  PrincipalMapping();  // DEFAULT
  ~PrincipalMapping();
  PrincipalMapping(const PrincipalMapping&);
  PrincipalMapping& operator=(const PrincipalMapping&);

  // An error is one line with the position in `rules`, counted in bytes from 1.
  static Result<PrincipalMapping> parse(std::string_view rules);

  // The principal's name. An error if no rule matches, as Kafka's NoMatchingRule, or a name is out
  // of proportion: the connection is refused.
  Result<std::string> apply(const std::string& distinguished_name) const;

 private:
  struct Rule;
  class Parser;

  std::shared_ptr<const std::vector<Rule>> rules_;
};

constexpr size_t most_mapping_bytes = 16 << 10;   // of all rules together
constexpr size_t most_principal_bytes = 4 << 10;  // of a distinguished name, and what it becomes

}  // namespace isthmus::process
