// Resolver: from a machine's name to its addresses, by the system's getaddrinfo, which blocks for
// as long as the DNS is silent and cannot be interrupted.
//
// So each name is looked up on a thread of its own, beside the others: the dead DNS of one site
// must not cut us off from another. Who asks for a name that is being looked up waits for the same
// answer. A thread that is still blocked when the Resolver goes is left behind, heard by nobody.
//
// Private to io/. Any loop may call it; every loop outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/loop.h"
#include "io/task.h"

namespace isthmus::io {

class Resolver {
 public:
  using Hosts = Result<std::vector<std::string>>;  // numeric addresses, at least one
  using Lookup = std::function<Hosts(const std::string& name)>;

  static Hosts ask_system(const std::string& name);

  // `lookup` is called on threads of its own, also after the Resolver has gone.
  explicit Resolver(Lookup lookup);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Error::timeout at `deadline`.
  Task<Hosts> resolve(std::string name, Instant deadline);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace isthmus::io
