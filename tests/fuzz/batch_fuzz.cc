// Record batches: walked, checked, decompressed and read.
#include "base/check.h"
#include "kafka/batch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace isthmus;
  const Slice input = Slice::copy_of(Bytes(data, size));
  kafka::BatchIterator batches(input, false);  // the CRC would refuse nearly everything
  while (auto batch = batches.next()) {
    auto records = kafka::RecordReader::open(batch->bytes, 1 << 20);
    if (!records) continue;
    kafka::Record record;
    int64_t last = -1;
    int count = 0;
    while (records->next(record)) {
      CHECK(record.offset > last && record.offset <= batch->header.last_offset(), "in order");
      last = record.offset;
      ++count;
      (void)kafka::read_control(record);
    }
    CHECK(count <= batch->header.record_count, "no more than were announced");
  }
  CHECK(batches.position() <= size, "within the input");
  return 0;
}
