#include <gtest/gtest.h>

#include <set>

#include "tests/sim/world/world.h"

namespace isthmus::sim {
namespace {

using io::Disk;
using std::chrono::seconds;

std::string content(Disk& disk, const std::string& path) {
  auto bytes = io::read_whole(disk, path);
  return bytes ? std::string(as_text(*bytes)) : "error " + std::to_string(bytes.error().code);
}

// A machine with one durable folder, and what it may find there after a power loss.
class DiskMachine {
 public:
  explicit DiskMachine(uint64_t seed) : world(seed), host(world.add_host("a")) {
    disk().make_folders("/data").value();
    disk().sync_folder("/").value();
  }
  Disk& disk() {
    if (process == nullptr) process = &host.start_process();
    return process->env().disk;
  }
  void crash() {
    host.crash();
    process = nullptr;
  }
  std::shared_ptr<io::File> durable_file(const std::string& path) {
    auto file = *disk().open(path, Disk::Open::create);
    disk().sync_folder("/data").value();
    return file;
  }

  SimWorld world;
  SimHost& host;
  SimProcess* process = nullptr;
};

// Every result that a crash leaves, over many seeds.
template <typename Scenario>
std::set<std::string> outcomes(Scenario scenario) {
  std::set<std::string> all;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    DiskMachine machine(seed);
    all.insert(scenario(machine));
  }
  return all;
}

TEST(Disk, KnowsWhatAPowerLossWouldLeave) {
  DiskMachine machine(1);
  auto file = *machine.disk().open("/data/log", Disk::Open::create);
  const Volume& volume = machine.host.disk();
  EXPECT_FALSE(volume.keeps_name("/data/log"));
  file->append(as_bytes("synced")).value();
  EXPECT_EQ(volume.find("/data/log")->durable_size(), 0u);
  file->sync_now().value();
  EXPECT_EQ(volume.find("/data/log")->durable_size(), 6u);
  EXPECT_FALSE(volume.keeps_name("/data/log")) << "its folder was not synced";
  machine.disk().sync_folder("/data").value();
  EXPECT_TRUE(volume.keeps_name("/data/log"));
  file->append(as_bytes(" not")).value();
  EXPECT_EQ(volume.find("/data/log")->durable_size(), 6u);
  file->truncate(3).value();
  EXPECT_EQ(volume.find("/data/log")->durable_size(), 3u);
}

TEST(Crash, SyncedBytesStay) {
  auto found = outcomes([](DiskMachine& m) {
    auto file = m.durable_file("/data/log");
    file->append(as_bytes("synced")).value();
    file->sync_now().value();
    m.crash();
    return content(m.disk(), "/data/log");
  });
  EXPECT_EQ(found, std::set<std::string>{"synced"});
}

TEST(Crash, UnsyncedAppendsKeepAPrefixPossiblyTorn) {
  auto found = outcomes([](DiskMachine& m) {
    auto file = m.durable_file("/data/log");
    file->append(as_bytes("S")).value();
    file->sync_now().value();
    file->append(as_bytes("aaaa")).value();
    file->append(as_bytes("bbbb")).value();
    m.crash();
    return content(m.disk(), "/data/log");
  });
  for (const auto& text : found) {
    // A prefix of what was written, then at most the zeros of one torn write.
    std::string written = "Saaaabbbb";
    size_t same = 0;
    while (same < text.size() && text[same] == written[same]) ++same;
    EXPECT_GE(same, 1u) << "what was synced is gone";
    EXPECT_EQ(text.find_first_not_of('\0', same), std::string::npos) << text;
  }
  for (const char* expected : {"S", "Saaaa", "Saaaabbbb", "Saa", "Saaaab"}) {
    EXPECT_TRUE(found.contains(expected)) << expected;
  }
  EXPECT_TRUE(found.contains(std::string("Sa\0\0\0", 5))) << "length written before the bytes";
}

// The journal keeps the order of lengths; of bytes nobody does.
TEST(Crash, UnsyncedSectorsComeBackInAnyOrder) {
  const std::string first(Inode::sector, 'a'), second(Inode::sector, 'b'), third(100, 'c');
  auto found = outcomes([&](DiskMachine& m) {
    auto file = m.durable_file("/data/log");
    file->append(as_bytes("S")).value();
    file->sync_now().value();
    for (const auto& part : {first, second, third}) file->append(as_bytes(part)).value();
    m.crash();
    return content(m.disk(), "/data/log");
  });
  const std::string whole = "S" + first + second + third;
  std::string with_hole = whole;
  with_hole.replace(Inode::sector, Inode::sector, Inode::sector, '\0');
  EXPECT_TRUE(found.contains(whole));
  EXPECT_TRUE(found.contains("S"));
  EXPECT_TRUE(found.contains(with_hole)) << "a good end behind a sector that was not written";
  for (const auto& text : found) {
    ASSERT_GE(text.size(), 1u);
    ASSERT_LE(text.size(), whole.size());
    EXPECT_EQ(text[0], 'S') << "what was synced is gone";
    for (size_t i = 1; i < text.size(); ++i) {
      ASSERT_TRUE(text[i] == whole[i] || text[i] == 0) << i;
    }
  }
}

TEST(Crash, UnsyncedTruncationMayComeBack) {
  auto found = outcomes([](DiskMachine& m) {
    auto file = m.durable_file("/data/log");
    file->append(as_bytes("0123")).value();
    file->sync_now().value();
    file->truncate(1).value();
    file->append(as_bytes("X")).value();
    m.crash();
    return content(m.disk(), "/data/log");
  });
  const std::set<std::string> possible{"0123",
                                       "0",
                                       "0X",
                                       std::string("0\0", 2),
                                       std::string("0\0\0\0", 4),
                                       std::string("0X\0\0", 4)};
  EXPECT_EQ(found, possible);
}

TEST(Crash, AKillKeepsThePageCache) {
  DiskMachine m(1);
  m.durable_file("/data/log")->append(as_bytes("unsynced")).value();
  m.host.kill();
  m.process = nullptr;
  EXPECT_EQ(content(m.disk(), "/data/log"), "unsynced");
}

TEST(Crash, AnUnsyncedNameMayBeLostWithItsSyncedBytes) {
  auto found = outcomes([](DiskMachine& m) {
    auto file = *m.disk().open("/data/log", Disk::Open::create);
    file->append(as_bytes("bytes")).value();
    file->sync_now().value();
    m.crash();
    return content(m.disk(), "/data/log");
  });
  EXPECT_EQ(found, (std::set<std::string>{"bytes", "error " + std::to_string(ENOENT)}));
}

TEST(Crash, ReplaceFileLeavesOldOrNewAndNewOnceItReturned) {
  auto during = outcomes([](DiskMachine& m) {
    io::replace_file(m.disk(), "/data/state", as_bytes("old")).value();
    auto file = *m.disk().open("/data/state.tmp", Disk::Open::create);
    file->append(as_bytes("new")).value();
    file->sync_now().value();
    m.disk().rename("/data/state.tmp", "/data/state").value();
    m.crash();
    return content(m.disk(), "/data/state");
  });
  EXPECT_EQ(during, (std::set<std::string>{"old", "new"}));
  auto after = outcomes([](DiskMachine& m) {
    io::replace_file(m.disk(), "/data/state", as_bytes("old")).value();
    io::replace_file(m.disk(), "/data/state", as_bytes("new")).value();
    m.crash();
    return content(m.disk(), "/data/state");
  });
  EXPECT_EQ(after, std::set<std::string>{"new"});
}

TEST(Crash, AFolderThatIsLostTakesItsFiles) {
  auto found = outcomes([](DiskMachine& m) {
    m.disk().make_folders("/data/t-0").value();
    auto file = *m.disk().open("/data/t-0/log", Disk::Open::create);
    file->append(as_bytes("x")).value();
    file->sync_now().value();
    m.disk().sync_folder("/data/t-0").value();
    m.crash();
    if (!m.disk().exists("/data/t-0")) return std::string("no folder");
    return content(m.disk(), "/data/t-0/log");
  });
  EXPECT_EQ(found, (std::set<std::string>{"no folder", "x"}));
}

TEST(Crash, AFolderKeepsItsFilesUnderItsNewName) {
  auto found = outcomes([](DiskMachine& m) {
    m.disk().make_folders("/data/t-0").value();
    auto file = *m.disk().open("/data/t-0/log", Disk::Open::create);
    file->append(as_bytes("x")).value();
    file->sync_now().value();
    m.disk().rename("/data/t-0", "/data/t-0.gone").value();
    m.disk().sync_folder("/data").value();
    EXPECT_EQ(*m.disk().list("/data"), std::vector<std::string>{"t-0.gone"});
    m.crash();
    return content(m.disk(), "/data/t-0.gone/log");
  });
  EXPECT_EQ(found, std::set<std::string>{"x"});
}

TEST(Crash, ALyingSyncIsFoundOut) {
  auto found = outcomes([](DiskMachine& m) {
    auto file = m.durable_file("/data/log");
    m.host.disk().lying_syncs = true;
    file->append(as_bytes("x")).value();
    file->sync_now().value();
    m.crash();
    EXPECT_GE(m.world.faults().at("disk: sync did nothing"), 1u);
    return content(m.disk(), "/data/log");
  });
  EXPECT_TRUE(found.contains(""));
}

io::Task<void> append_then_sync(io::File& file, bool& durable) {
  file.append(as_bytes("before")).value();
  auto done = co_await file.sync();
  durable = done.has_value();
}

TEST(Sync, TakesVirtualTimeAndCoversWhatWasThereWhenItBegan) {
  auto found = outcomes([](DiskMachine& m) {
    auto file = m.durable_file("/data/log");
    bool durable = false;
    m.process->spawn("sync", append_then_sync(*file, durable));
    EXPECT_FALSE(durable);
    file->append(as_bytes("+")).value();
    EXPECT_TRUE(m.world.run_until([&] { return durable; }, seconds(1)));
    m.crash();
    return content(m.disk(), "/data/log");
  });
  EXPECT_TRUE(found.contains("before"));
  EXPECT_TRUE(found.contains("before+"));
  for (const auto& text : found) EXPECT_TRUE(text.starts_with("before")) << text;
}

TEST(Sync, OfASlowDiskTakesItsTimeUntilItIsFastAgain) {
  DiskMachine m(1);
  auto file = m.durable_file("/data/log");
  m.host.disk().slow_down();
  bool slow = false;
  m.process->spawn("sync", append_then_sync(*file, slow));
  m.world.run_for(std::chrono::milliseconds(199));
  EXPECT_FALSE(slow);
  EXPECT_TRUE(m.world.run_until([&] { return slow; }, seconds(3)));
  m.host.disk().full_speed();
  bool fast = false;
  m.process->spawn("sync", append_then_sync(*file, fast));
  m.world.run_for(Volume::most_latency);
  EXPECT_TRUE(fast);
  EXPECT_EQ(m.world.faults().at("disk: slow"), 1u);
}

TEST(Faults, AFailedAppendOrSyncEndsTheFile) {
  DiskMachine m(1);
  auto file = m.durable_file("/data/log");
  m.host.disk().fail_next_append("other", EIO);
  m.host.disk().fail_next_sync("log", EIO);
  EXPECT_TRUE(file->append(as_bytes("x")));
  EXPECT_EQ(file->sync_now().error().code, EIO);
  EXPECT_EQ(file->append(as_bytes("y")).error().code, EIO);
  EXPECT_EQ(file->sync_now().error().code, EIO) << "a file that failed is not used any more";
  EXPECT_EQ(m.world.faults().at("disk: sync failed"), 1u);
}

TEST(Faults, AFullDiskRefusesAppendsAndTakesThemAgain) {
  auto found = outcomes([](DiskMachine& m) {
    auto file = m.durable_file("/data/log");
    file->append(as_bytes("good")).value();
    m.host.disk().capacity = m.host.disk().used() + Volume::block;
    const std::vector<uint8_t> large(3 * Volume::block, 'x');
    EXPECT_EQ(file->append(large).error().code, ENOSPC);
    EXPECT_EQ(file->size(), 4u);
    EXPECT_LE(m.disk().space("/data")->free, Volume::block);
    // What still stands behind the end when the process dies is for recovery to find.
    const std::string left = content(m.disk(), "/data/log").substr(0, 5);
    m.host.disk().capacity = UINT64_MAX;
    EXPECT_TRUE(file->append(as_bytes("!")));
    EXPECT_EQ(content(m.disk(), "/data/log"), "good!");
    return left;
  });
  EXPECT_EQ(found, (std::set<std::string>{"good", "goodx"}));
}

TEST(Faults, AnyOperationCanBeTheOneThatFails) {
  DiskMachine m(1);
  m.durable_file("/data/log");
  Volume& volume = m.host.disk();
  volume.fail_operation(volume.operations() + 2, EIO);
  EXPECT_TRUE(m.disk().list("/data"));
  EXPECT_EQ(m.disk().rename("/data/log", "/data/other").error().code, EIO);
  EXPECT_TRUE(m.disk().rename("/data/log", "/data/other"));
}

TEST(Faults, ReadsFailAndRecoverByThemselves) {
  DiskMachine m(1);
  auto file = m.durable_file("/data/log");
  file->append(as_bytes("bytes")).value();
  m.host.disk().fail_next_read("log", EIO);
  EXPECT_EQ(content(m.disk(), "/data/log"), "error " + std::to_string(EIO));
  EXPECT_EQ(content(m.disk(), "/data/log"), "bytes");
  m.host.disk().read_failures = 1'000'000;
  EXPECT_EQ(content(m.disk(), "/data/log"), "error " + std::to_string(EIO));
}

TEST(Faults, RotTurnsOneBitOfAFileThatIsMeant) {
  auto found = outcomes([](DiskMachine& m) {
    auto file = m.durable_file("/data/log");
    m.durable_file("/data/other")->append(as_bytes("other")).value();
    file->append(as_bytes("AA")).value();
    file->sync_now().value();
    EXPECT_FALSE(m.host.disk().rot({"log"}, 2));
    const auto rotten = m.host.disk().rot({"/data", "log"}, 1);
    EXPECT_EQ(rotten->path, "/data/log");
    EXPECT_EQ(rotten->position, 1u);
    EXPECT_EQ(content(m.disk(), "/data/other"), "other");
    m.crash();
    return content(m.disk(), "/data/log");
  });
  EXPECT_EQ(found.size(), 8u) << "each of eight bits, and it outlives a power loss";
  EXPECT_FALSE(found.contains("AA"));
}

TEST(Names, AnswerAsTheRealDiskDoes) {
  DiskMachine m(1);
  Disk& disk = m.disk();
  EXPECT_EQ(disk.open("/data/absent", Disk::Open::existing).error().code, ENOENT);
  EXPECT_EQ(disk.open("/absent/file", Disk::Open::create).error().code, ENOENT);
  EXPECT_EQ(disk.list("/absent").error().code, ENOENT);
  ASSERT_TRUE(disk.make_folders("/data/a/b/"));
  for (const char* name : {"/data/a/2", "/data//a/1", "/data/a/b/3"}) {
    ASSERT_TRUE(disk.open(name, Disk::Open::create));
  }
  EXPECT_EQ(*disk.list("/data/a"), (std::vector<std::string>{"1", "2", "b"}));
  ASSERT_TRUE(disk.remove_folder("/data/a"));
  EXPECT_TRUE(disk.list("/data")->empty());
}

TEST(Names, ALockEndsWithItsProcess) {
  DiskMachine m(1);
  auto& held = m.process->make<std::shared_ptr<void>>(*m.disk().lock("/data/lock"));
  EXPECT_TRUE(held.use_count() > 0);
  EXPECT_FALSE(m.host.start_process().env().disk.lock("/data/lock"));
  m.process->kill();
  EXPECT_TRUE(m.host.start_process().env().disk.lock("/data/lock"));
}

}  // namespace
}  // namespace isthmus::sim
