// TlsStore: the certificates of one process, from the files that its configuration names to what
// listeners and dialers use, and again when those files change.
//
// A file that cannot be used any more changes nothing: what was there stays in force, and one line
// of the log says so. A rotation may write certificate and key one after the other: between the two
// they do not fit each other, and the next look finds that they do.
//
// Owned by a role, on its main loop; what it gives out is read on any. The files are small and read
// on the loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/published.h"
#include "base/samples.h"
#include "io/event.h"
#include "io/task.h"
#include "process/security_config.h"

namespace isthmus::process {

using TlsIdentity = std::shared_ptr<const Published<io::TlsContext>>;

class TlsStore {
 public:
  using Time = std::chrono::system_clock::time_point;
  static constexpr auto warn_before = std::chrono::days(30);  // the end of a certificate

  explicit TlsStore(TlsConfigs configs) : configs_(std::move(configs)) {}

  // What a listener or dialer shows and trusts, in force from now on; nullptr where it is plain
  // text. The error names the key of the configuration. REQUIRES: problem_of() has found nothing.
  Result<TlsIdentity> listen(const ListenerSecurity& security, bool serves_private_api, Time now);
  Result<TlsIdentity> dial(const DialSecurity& security, Time now);

  // Reads all files again, and puts in force what has changed.
  void look(Time now);
  // Looks now and then, until `stop`.
  io::Task<void> watch(io::Event& stop);

  void add_to(Samples& samples) const;

 private:
  struct Given {
    std::string name;
    std::function<io::TlsContext::Made(const io::TlsMaterial&, Time)> make;
    std::shared_ptr<Published<io::TlsContext>> identity;
    io::TlsMaterial material;
    std::string trouble;  // that the log has told
    bool near_its_end = false;
  };

  friend std::optional<Problem> problem_of(const TlsConfigs& configs);

  std::expected<io::TlsMaterial, Problem> read(const std::string& name) const;
  std::expected<TlsIdentity, Problem> dialer(const std::string& name, bool verify_host, Time now);
  std::expected<TlsIdentity, Problem> give(Given given, Time now);
  void renew(Given& given, Time now);
  void warn_before_end(Given& given, Time now) const;

  const TlsConfigs configs_;
  std::vector<Given> given_;
};

inline TlsStore::Time time_of(const io::Loop& loop) {
  return TlsStore::Time(std::chrono::milliseconds(loop.wall_ms()));
}

struct CertificateEnd {
  std::string path;  // "tls.edge.certificate"
  std::string file;
  TlsStore::Time end;
};
// Of each file with certificates that can be read, own ones and authorities. A chain ends with the
// first of it, and so many authorities with the last.
std::vector<CertificateEnd> certificate_ends(const TlsConfigs& configs);

// What is wrong with any of the files at this moment, without putting anything in force.
std::optional<Problem> problem_of(const TlsConfigs& configs);

}  // namespace isthmus::process
