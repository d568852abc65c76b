// The store over the C library and a real server, whose nodes hold one MB at most and which ends a
// line that sends or asks more.
#include <map>

#include "broker/store/zookeeper_store.h"
#include "tests/zookeeper/server.h"
#include "zookeeper/session.h"

namespace isthmus::broker {
namespace {

using io::soon;
using ReadTable = std::map<std::string, std::string>;

constexpr int real_patience_ms = 60'000;
constexpr size_t one_mb = size_t{1} << 20;

// Of one test: a server, and what brokers of it have read.
struct RealZookeeper : testing::Test {
  using Body = io::Task<void> (*)(RealZookeeper& test, ZookeeperStore& store, ReadTable& table);

  static void follow(ReadTable& table, const std::vector<MetadataStore::Change>& changes) {
    for (const auto& change : changes) {
      if (change.value) {
        table[change.key] = std::string(as_text(change.value->view()));
      } else {
        table.erase(change.key);
      }
    }
  }
  static io::Task<void> with_store(RealZookeeper& test, Body body) {
    zookeeper::Session session(test.world.loop(),
                               {test.server.address(), io::milliseconds(10'000)});
    auto opened = co_await session.open();
    EXPECT_TRUE(opened);
    const bool connected = co_await session.connected(soon(real_patience_ms));
    EXPECT_TRUE(connected);
    ZookeeperStoreOptions options{.root = "/isthmus/busan", .commits_per_snapshot = 5};
    options.patience = io::milliseconds(real_patience_ms);
    ZookeeperStore store(test.world.loop(), test.world.env().random, session, options);
    auto read = co_await store.open();
    EXPECT_TRUE(read) << read.error().text;
    ReadTable table;
    if (read) {
      store.watch([&table](const auto& changes) { follow(table, changes); });
      co_await body(test, store, table);
    }
    co_await store.close();
    co_await session.close();
  }
  static io::Task<void> set(ZookeeperStore& store, std::string key, std::string value) {
    std::vector<MetadataStore::Put> puts = {{key, Slice::copy_of(value)}};
    auto done = co_await store.commit({}, std::move(puts));
    EXPECT_TRUE(done) << done.error().text;
    EXPECT_TRUE(!done || *done == MetadataStore::Outcome::committed);
  }
  // One broker after the other.
  static io::Task<void> both(RealZookeeper& test, Body first, Body second) {
    co_await with_store(test, first);
    co_await with_store(test, second);
  }

  zookeeper::ZookeeperServer server;
  io::RealWorld world;
  ReadTable written;
};

TEST_F(RealZookeeper, HoldsAnImageThatIsLargerThanAnyOfItsNodes) {
  constexpr Body fill = [](RealZookeeper& test, ZookeeperStore& store,
                           ReadTable& table) -> io::Task<void> {
    co_await set(store, "/one", std::string(3 * one_mb + 17, 'v'));
    for (int i = 0; i < 12; ++i) {
      const std::string key = "/topic/" + std::to_string(i);
      co_await set(store, key, std::string(one_mb / 4, static_cast<char>('a' + i)));
    }
    // The server starts anew, and has it all from its disk.
    test.server.kill();
    test.server.start();
    co_await set(store, "/last", "1");
    test.written = table;
  };
  constexpr Body read = [](RealZookeeper& test, ZookeeperStore&,
                           ReadTable& table) -> io::Task<void> {
    size_t size = 0;
    for (const auto& [key, value] : table) size += value.size();
    EXPECT_GT(size, 6 * one_mb);
    EXPECT_TRUE(table == test.written);
    co_return;
  };
  world.run(both(*this, fill, read));
}

}  // namespace
}  // namespace isthmus::broker
