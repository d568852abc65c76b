// The small files of a directory and of a partition's folder. Which one, the first byte says; what
// can be read is written and read again as the same.
#include "base/check.h"
#include "broker/log/checkpoints.h"
#include "broker/log/epochs.h"
#include "tests/broker/task_world.h"
#include "tests/fuzz/input.h"

namespace {

using namespace isthmus;
using broker::MetaProperties;
using broker::OffsetCheckpoint;

void offsets(io::Disk& disk) {
  OffsetCheckpoint file(disk, "/data", OffsetCheckpoint::recovery_points);
  const auto read = file.read();
  if (!read) return;
  file.write(*read).value();
  CHECK(file.read() == *read, "offsets are written as they are read");
}

void properties(io::Disk& disk) {
  const auto read = MetaProperties::read(disk, "/data");
  if (!read || !*read) return;
  (*read)->write(disk, "/data").value();
  CHECK(MetaProperties::read(disk, "/data").value() == *read,
        "properties are written as they are read");
}

void topic_id(io::Disk& disk) {
  const auto read = broker::read_partition_topic_id(disk, "/data");
  if (!read || !*read) return;
  broker::write_partition_topic_id(disk, "/data", **read).value();
  CHECK(broker::read_partition_topic_id(disk, "/data").value() == *read,
        "ids are written as they are read");
}

void clean_stop(io::Disk& disk) {
  broker::CleanShutdownMark mark(disk, "/data");
  const auto found = mark.take();
  const auto again = mark.take();
  CHECK(!found || (again && !again->clean), "a mark is believed once");
}

struct SmallFile {
  const char* name;
  void (*read)(io::Disk&);
};
constexpr SmallFile files[] = {{OffsetCheckpoint::recovery_points, offsets},
                               {"meta.properties", properties},
                               {"partition.metadata", topic_id},
                               {".kafka_cleanshutdown", clean_stop}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const SmallFile& file = files[input.byte() % std::size(files)];
  broker::TaskWorld world;
  io::replace_file(world.disk(), std::string("/data/") + file.name, input.rest()).value();
  file.read(world.disk());
  return 0;
}
