// Rights: what people may do at a site, as far as an administrator has been told: each fact is so,
// is not so, or is being changed. Who was served or refused is compared with it.
#pragma once

#include <map>
#include <string>

#include "io/loop.h"

namespace isthmus::sim {

class Rights {
 public:
  // Facts are named: "alice may write", "alice has password 3". What is not known is not so.
  void changing(const std::string& fact) { facts_[fact].is_known = false; }
  void settled(const std::string& fact, bool so, io::Instant now) {
    facts_[fact] = {so, true, now};
  }
  // It has been so at every moment since `then`.
  bool surely(const std::string& fact, bool so, io::Instant then) const {
    const auto found = facts_.find(fact);
    const Fact fact_now = found == facts_.end() ? Fact{} : found->second;
    return fact_now.is_known && fact_now.is_so == so && fact_now.since <= then;
  }

 private:
  struct Fact {
    bool is_so = false;
    bool is_known = true;
    io::Instant since{};
  };
  std::map<std::string, Fact> facts_;
};

inline std::string may(const std::string& user, const std::string& what) {
  return user + " may " + what;
}
inline std::string has_account(const std::string& user) { return user + " has an account"; }
inline std::string has_password(const std::string& user, int number) {
  return user + " has password " + std::to_string(number);
}
inline std::string password_text(const std::string& user, int number) {
  return user + "'s " + std::to_string(number);
}

}  // namespace isthmus::sim
