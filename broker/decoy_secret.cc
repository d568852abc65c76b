#include "broker/decoy_secret.h"

#include <algorithm>

#include "base/log.h"

namespace isthmus::broker {

kafka::ScramDecoy::Secret decoy_secret(io::Disk& disk, io::Random& random, const std::string& dir) {
  const std::string path = dir + "/" + decoy_secret_file;
  kafka::ScramDecoy::Secret secret{};
  if (disk.exists(path)) {
    auto kept = io::read_whole(disk, path);
    if (kept && kept->size() == secret.size()) {
      std::ranges::copy(*kept, secret.begin());
      return secret;
    }
  }
  random.fill(secret);
  auto written = io::replace_file(disk, path, secret, io::Disk::Open::secret);
  if (!written) {
    Logger(LogComponent::login, "log-in")
        .warn(
            "{}: until it can be written, who asks before and after a restart can tell which users "
            "there are",
            written.error().text);
  }
  return secret;
}

}  // namespace isthmus::broker
