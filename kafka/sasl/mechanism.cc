#include "kafka/sasl/mechanism.h"

#include <algorithm>

#include "base/printable.h"

namespace isthmus::kafka {

std::string_view mechanism_name(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::plain: return "PLAIN";
    case Mechanism::scram_sha_256: return "SCRAM-SHA-256";
    case Mechanism::scram_sha_512: return "SCRAM-SHA-512";
    case Mechanism::oauthbearer: return "OAUTHBEARER";
  }
  return "";
}

std::optional<Mechanism> find_mechanism(std::string_view name) {
  const auto* found = std::ranges::find(all_mechanisms, name, mechanism_name);
  if (found == std::end(all_mechanisms)) return std::nullopt;
  return *found;
}

std::optional<HashAlgorithm> scram_hash(Mechanism mechanism) {
  if (mechanism == Mechanism::scram_sha_256) return HashAlgorithm::sha256;
  if (mechanism == Mechanism::scram_sha_512) return HashAlgorithm::sha512;
  return std::nullopt;
}

bool is_user_name(std::string_view name) {
  if (name.empty() || name.size() > longest_user_name) return false;
  while (!name.empty()) {
    const CodePoint c = first_code_point(name);
    if (!c.valid || is_unprintable(c.value)) return false;
    name.remove_prefix(c.size);
  }
  return true;
}

bool is_password(std::string_view password) {
  return !password.empty() && password.size() <= longest_password &&
         password.find('\0') == std::string_view::npos && is_utf8(password);
}

}  // namespace isthmus::kafka
