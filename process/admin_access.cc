#include "process/admin_access.h"

#include <algorithm>

#include "base/crypto.h"

namespace isthmus::process {

void AdminAccess::set_users(const std::vector<User>& users) {
  users_.clear();
  for (const User& user : users) {
    users_.push_back(
        {user.name, user.password ? digest_of(*user.password) : std::vector<uint8_t>(), user.role});
  }
}

bool AdminAccess::is_open(const std::string& path) const {
  constexpr std::pair<const char*, OpenPage> pages[] = {{"/metrics", OpenPage::metrics},
                                                        {"/healthz", OpenPage::healthz},
                                                        {"/readyz", OpenPage::readyz}};
  return std::ranges::any_of(pages, [&](const auto& page) {
    return path == page.first && std::ranges::find(open_, page.second) != open_.end();
  });
}

std::vector<uint8_t> AdminAccess::digest_of(const std::string& password) const {
  return hmac(HashAlgorithm::sha256, key_, as_bytes(password));
}

// Looks at all of them, whatever it finds.
const AdminAccess::Known* AdminAccess::by_password(const BasicCredentials& claimed) const {
  const auto digest = digest_of(claimed.password);
  const Known* found = nullptr;
  for (const Known& user : users_) {
    const bool fits = !user.digest.empty() && equal_in_constant_time(digest, user.digest);
    if (fits && user.name == claimed.user) found = &user;
  }
  return found;
}

const AdminAccess::Known* AdminAccess::by_name(const std::string& name) const {
  const auto found = std::ranges::find(users_, name, &Known::name);
  return found == users_.end() ? nullptr : &*found;
}

AdminAccess::Decision AdminAccess::decide(const HttpRequest& request,
                                          const std::optional<std::string>& certified,
                                          const std::string& host, io::Instant now) {
  if (request.is_safe() && (is_open(request.path) || users_.empty())) return {};
  if (users_.empty()) return {Verdict::refused, "", "no user is named that may change things"};
  if (!request.is_safe() && request.is_of_another_site()) {
    return {Verdict::refused, "", "another site's page asked"};
  }
  const Known* who = nullptr;
  std::string name;
  if (!request.authorization.empty()) {
    const auto claimed = parse_basic(request.authorization);
    name = claimed ? claimed->user : "";
    if (attempts_.is_used_up(host, now)) return {Verdict::limited, name, "too many log-ins failed"};
    if (claimed) who = by_password(*claimed);
    if (who == nullptr) {
      attempts_.failed(host, now);
      return {Verdict::stranger, name, "log-in refused"};
    }
  } else if (certified) {
    name = *certified;
    who = by_name(name);
    if (who == nullptr) return {Verdict::stranger, name, "its certificate is no user's"};
  } else {
    return {Verdict::stranger, "", ""};
  }
  if (request.is_safe() || who->role == AdminRole::administrator)
    return {Verdict::granted, name, ""};
  return {Verdict::refused, name, "a viewer changes nothing"};
}

}  // namespace isthmus::process
