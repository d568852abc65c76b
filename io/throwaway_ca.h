// ThrowawayCa: an authority made on the spot, and the certificates that it signs, for trying things
// out and for tests. It is not for anything that matters: its key lies beside what it signs, and
// nothing can be revoked.
//
// Keys are EC P-256. A certificate is for a server and for a client, is called CN=<name>, and holds
// for the name itself, localhost, 127.0.0.1, ::1 and the hosts that are asked for (RFC 5280's
// subject alternative names). It begins an hour before it is made, for clocks that disagree, and
// ends with its authority at the latest.
//
// Only memory is touched here; the files are io/throwaway_folder.h's. Times are seconds since 1970.
// A plain value; any thread. Of OpenSSL, what lacks memory or randomness is a CHECK, what is wrong
// with a text from outside an error of one line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace isthmus::io {

struct PemPair {
  std::string certificate;
  std::string key;  // PKCS 8, not encrypted
};

// Whose certificate is made.
struct CertificateSubject {
  std::string name;
  std::vector<std::string> hosts;  // names and addresses, besides those that always stand there
};

class ThrowawayCa {
 public:
  static ThrowawayCa create(int64_t now_s, int64_t days);
  // One that create() made. An error if it is no such one, if the key is another's, or if it has
  // ended.
  static Result<ThrowawayCa> load(PemPair pem, int64_t now_s);
  ~ThrowawayCa();
  ThrowawayCa(ThrowawayCa&&) noexcept;

  const PemPair& pem() const;
  int64_t valid_until_s() const;

  struct Issued {
    PemPair pem;
    int64_t valid_until_s = 0;
  };
  // REQUIRES: the subject's name and hosts have no problem.
  Issued issue(const CertificateSubject& subject, int64_t now_s, int64_t days) const;

 private:
  struct State;
  explicit ThrowawayCa(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// Why it cannot be a certificate's name (and that of its file), or empty: letters, digits, '-', '_'
// and '.', at most 63, and none that the authority's own files have.
std::string certificate_name_problem(const std::string& name);
// Why it is no host: an address, or a name that may begin with "*.".
std::string host_problem(const std::string& host);

}  // namespace isthmus::io
