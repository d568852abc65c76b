// Files with secrets that others than their owner may use.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "process/router_config.h"
#include "tests/io/real_world.h"

namespace isthmus::process {
namespace {

using std::filesystem::perms;

TEST(ExposedSecrets, are_named_by_key_with_what_would_mend_them) {
  const io::TemporaryFolder folder;
  const auto file = [&folder](const char* name, perms allowed) {
    const std::string path = folder / name;
    std::ofstream(path) << "secret";
    std::filesystem::permissions(path, allowed);
    return path;
  };
  RouterConfig config;
  config.clusters["seoul"].security.password.file = file("password", perms(0640));
  config.clusters["seoul"].security.token.file = file("token", perms(0600));
  config.tls["edge"].key.file = file("key", perms(0400));
  config.tls["inside"].key.file = file("open-key", perms(0602));
  config.admin.users["ops"].password.file = file("ops", perms(0604));
  config.admin.users["eve"].password.env = "EVE";
  config.clusters["tokyo"].security.password.file = folder / "absent";
  Options table;
  describe(table, config);
  std::vector<std::string> found;
  for (const auto& [path, text] : exposed_secrets(table)) found.push_back(path + ": " + text);
  const auto line = [&folder](const char* key, const char* name, const char* mode) {
    return std::string(key) + ": " + (folder / name) +
           " may be used by others on this machine (mode " + mode + "): chmod 600 it";
  };
  EXPECT_EQ(found, (std::vector{line("clusters.seoul.password.file", "password", "0640"),
                                line("tls.inside.key.file", "open-key", "0602"),
                                line("admin.users.ops.password.file", "ops", "0604")}));
}

}  // namespace
}  // namespace isthmus::process
