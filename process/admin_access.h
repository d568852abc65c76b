// AdminAccess: who may do what at the admin port. A viewer reads, an operator changes, some pages
// may be open to everybody. Who somebody is his certificate says, or HTTP's Basic authentication.
//
// Of passwords only digests are kept, under a key that is drawn for the process; they are compared
// in constant time, with all users, so that an answer tells neither what of a password fits nor
// whose name exists. Wrong ones are limited by address.
//
// Pure; owned by Admin, on its loop.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "process/admin_config.h"
#include "process/attempt_limit.h"
#include "process/http_request.h"

namespace isthmus::process {

class AdminAccess {
 public:
  using Key = std::array<uint8_t, 32>;

  struct User {
    std::string name;
    std::optional<std::string> password;
    AdminRole role = AdminRole::viewer;
  };

  enum class Verdict : uint8_t {
    granted,
    stranger,  // nobody has said who it is, or wrongly
    refused,   // he is known, and may not
    limited,   // too many wrong passwords from there
  };
  static constexpr size_t verdicts = 4;

  struct Decision {
    Verdict verdict = Verdict::granted;
    std::string user;  // who it is, or claims to be; empty: nobody
    std::string why;   // for the log and the audit; empty where it is not worth a word
  };

  // Without users everybody may look, and nobody change anything.
  AdminAccess(const Key& key, std::vector<OpenPage> open) : key_(key), open_(std::move(open)) {}

  void set_users(const std::vector<User>& users);

  // `certified`: the name of the peer's certificate, if it showed one that counts.
  Decision decide(const HttpRequest& request, const std::optional<std::string>& certified,
                  const std::string& host, io::Instant now);

 private:
  struct Known {
    std::string name;
    std::vector<uint8_t> digest;  // empty: by certificate only
    AdminRole role;
  };

  bool is_open(const std::string& path) const;
  std::vector<uint8_t> digest_of(const std::string& password) const;
  const Known* by_password(const BasicCredentials& claimed) const;
  const Known* by_name(const std::string& name) const;

  const Key key_;
  const std::vector<OpenPage> open_;
  std::vector<Known> users_;
  AttemptLimit attempts_;
};

}  // namespace isthmus::process
