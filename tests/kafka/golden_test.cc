// Bytes that Apache Kafka and librdkafka encoded; tests/kafka/golden/README.md says how.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "kafka/api.h"
#include "kafka/batch.h"
#include "kafka/gen/api_versions.h"
#include "kafka/gen/fetch.h"
#include "kafka/gen/join_group.h"
#include "kafka/gen/metadata.h"
#include "kafka/gen/produce.h"
#include "tests/kafka/messages.h"

namespace isthmus::kafka {
namespace {

Slice unhex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return Slice::take(std::move(bytes));
}

// The words of each line.
std::vector<std::vector<std::string>> lines_of(const std::string& file) {
  std::ifstream in(std::string(KAFKA_GOLDEN_DIR) + "/" + file);
  std::vector<std::vector<std::string>> lines;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    auto& out = lines.emplace_back();
    for (std::string word; words >> word;) out.push_back(word);
    while (out.size() < 3) out.emplace_back();  // an empty message has no hex
  }
  return lines;
}

TEST(Golden, KafkaEncodesEveryMessageAsWeDo) {
  std::map<std::string, const Codec*> codecs;
  for (const Codec& codec : all_codecs()) codecs[codec.name] = &codec;
  std::set<std::pair<std::string, int>> seen;
  for (const auto& words : lines_of("kafka-4.1.1.txt")) {
    SCOPED_TRACE(words[0] + " v" + words[1]);
    ASSERT_TRUE(codecs.contains(words[0]));
    const auto version = static_cast<int16_t>(std::stoi(words[1]));
    const Slice theirs = unhex(words[2]);
    const auto ours = codecs[words[0]]->recode(theirs, version);
    ASSERT_TRUE(ours) << ours.error().text;
    EXPECT_EQ(*ours, theirs);
    seen.insert({words[0], version});
  }
  for (const ApiInfo& api : all_apis()) {
    if (api.is_private) continue;
    for (int v = api.min_version; v <= api.max_version; ++v) {
      for (auto part : {"Request", "Response"}) {
        EXPECT_TRUE(seen.contains({std::string(api.name) + part, v}))
            << api.name << part << " v" << v << " is not in kafka-4.1.1.txt";
      }
    }
  }
}

// The body of one captured request, after its header was checked.
template <typename Request>
Request captured(const std::string& what, int16_t version) {
  const auto key = std::to_string(static_cast<int>(Request::api_key));
  for (const auto& words : lines_of("librdkafka-2.0.2.txt")) {
    if (words[0] != what || words[1] != key) continue;
    Reader r(unhex(words[3]));
    const auto header = RequestHeader::decode(r);
    EXPECT_TRUE(header);
    EXPECT_EQ(header->api_version, version);
    EXPECT_EQ(header->client_id, "rdkafka");
    auto request = Request::decode(r, version);
    EXPECT_TRUE(request) << request.error().text;
    EXPECT_EQ(r.remaining(), 0u);
    return *request;
  }
  ADD_FAILURE() << what << " is not in the file";
  return {};
}

TEST(Golden, KcatAsksForVersionsAndMetadata) {
  const auto versions = captured<ApiVersionsRequest>("none", 3);
  EXPECT_EQ(versions.client_software_name, "librdkafka");
  EXPECT_EQ(versions.client_software_version, "2.0.2");
  const auto metadata = captured<MetadataRequest>("none", 4);
  ASSERT_TRUE(metadata.topics.has_value());
  ASSERT_EQ(metadata.topics->size(), 1u);
  EXPECT_EQ(metadata.topics->at(0).name, "golden");
  EXPECT_TRUE(metadata.allow_auto_topic_creation);
}

TEST(Golden, KcatProducesWithEveryCodec) {
  for (auto codec : {Compression::none, Compression::gzip, Compression::snappy, Compression::lz4,
                     Compression::zstd}) {
    SCOPED_TRACE(compression_name(codec));
    const auto request = captured<ProduceRequest>(std::string(compression_name(codec)), 7);
    EXPECT_EQ(request.acks, -1);
    ASSERT_EQ(request.topic_data.size(), 1u);
    EXPECT_EQ(request.topic_data[0].name, "golden");
    const Slice batch = *request.topic_data[0].partition_data.at(0).records.flatten();
    const auto header = check_batch(batch);
    ASSERT_TRUE(header) << header.error().text;
    EXPECT_EQ(header->compression(), codec);
    EXPECT_EQ(header->record_count, 2);
    EXPECT_FALSE(header->has_producer());

    auto records = RecordReader::open(batch);
    ASSERT_TRUE(records) << records.error().text;
    Record record;
    ASSERT_TRUE(records->next(record));
    EXPECT_EQ(as_text(record.key.value()), "key-1");
    EXPECT_EQ(record.value.value().size(), 300u);
    ASSERT_EQ(record.headers.size(), 1u);
    EXPECT_EQ(record.headers[0].key, "origin");
    EXPECT_EQ(as_text(record.headers[0].value.value()), "kcat");
    ASSERT_TRUE(records->next(record));
    EXPECT_EQ(record.offset, 1);
    EXPECT_EQ(as_text(record.value.value()), "second");
    EXPECT_FALSE(records->next(record));
    EXPECT_TRUE(records->ok());
  }
}

TEST(Golden, KcatFetchesAndJoins) {
  const auto fetch = captured<FetchRequest>("consume", 11);
  EXPECT_EQ(fetch.replica_id, -1);
  EXPECT_EQ(fetch.topics.at(0).topic, "golden");
  EXPECT_EQ(fetch.topics.at(0).partitions.at(0).fetch_offset, 5);
  const auto join = captured<JoinGroupRequest>("group", 5);
  EXPECT_EQ(join.group_id, "golden-group");
  EXPECT_EQ(join.protocol_type, "consumer");
  EXPECT_EQ(join.group_instance_id, std::nullopt);
  EXPECT_EQ(join.protocols.at(0).name, "range");
}

}  // namespace
}  // namespace isthmus::kafka
