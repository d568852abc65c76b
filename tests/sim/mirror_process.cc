#include "tests/sim/mirror_process.h"

#include "base/log.h"
#include "mirror/mirror.h"

namespace isthmus::sim {

SimProcess& start_mirror_on(SimHost& host, process::MirrorConfig config) {
  struct Start {
    static io::Task<void> run(process::Role& role) {
      auto started = co_await role.start();
      if (!started) Logger(LogComponent::mirror).error("does not start: {}", started.error().text);
    }
  };
  SimProcess& process = host.start_process();
  auto& role = process.make<std::unique_ptr<process::Role>>(
      mirror::make_mirror(process.env(), std::move(config)));
  process.spawn("mirror", Start::run(*role));
  return process;
}

}  // namespace isthmus::sim
