#include "broker/backup/metadata_file.h"

#include "base/crypto.h"
#include "broker/backup/sealed_lines.h"
#include "broker/image/records.h"

namespace isthmus::broker {

using nlohmann::json;

namespace {

constexpr const char* metadata_format = "isthmus-metadata";
constexpr int metadata_version = 1;

// For people: nothing of it is read back.
std::map<std::string, json> told_of(const Image& image) {
  std::map<std::string, json> all;
  all["/cluster"] = {{"name", image.cluster_name},
                     {"number", image.cluster_number},
                     {"id", image.cluster_id.to_string()},
                     {"incarnation", image.incarnation}};
  for (const auto& [node, broker] : image.brokers) {
    all["/brokers/" + std::to_string(node)] = {{"starts", broker.starts},
                                               {"fenced", broker.fenced}};
  }
  for (const auto& [name, topic] : image.topics) {
    all["/topics/" + name] = {{"id", topic->id.to_string()},
                              {"partitions", topic->partitions.size()},
                              {"configs", topic->configs}};
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionImage& p = topic->partitions[i];
      all["/partitions/" + topic->id.to_string() + "/" + std::to_string(i)] = {
          {"topic", name},
          {"leader", p.leader},
          {"leader_epoch", epoch_in_force(p, image)},
          {"replicas", p.replicas},
          {"isr", p.isr},
          {"elr", p.elr}};
    }
  }
  for (const auto& [name, user] : *image.users) {
    all["/users/" + name] = {{"verifiers", user.credentials.size()}};
  }
  return all;
}

}  // namespace

Result<std::shared_ptr<const Image>> image_of(const MetadataFile& file) {
  return broker::apply(Image{}, file.records);
}

Result<std::string> encode_metadata(const MetadataFile& file) {
  auto image = image_of(file);
  if (!image) return fail(image.error());
  if ((*image)->cluster_version == MetadataStore::absent) return fail("there is no cluster there");
  SealedLines content;
  content.header = {{"cluster", (*image)->cluster_name},
                    {"number", (*image)->cluster_number},
                    {"cluster_id", (*image)->cluster_id.to_string()},
                    {"written_ms", file.written_ms}};
  const auto told = told_of(**image);
  for (const auto& record : file.records) {
    if (!record.value) continue;
    json line{{"key", record.key},
              {"version", record.version},
              {"record", encode_base64(record.value->view())}};
    if (const auto known = told.find(record.key); known != told.end()) line["says"] = known->second;
    content.lines.push_back(std::move(line));
  }
  return encode_sealed(content, metadata_format, metadata_version);
}

Result<MetadataFile> decode_metadata(std::string_view text, const std::string& where) {
  auto content = decode_sealed(text, metadata_format, metadata_version, where);
  if (!content) return fail(content.error());
  MetadataFile file;
  const json written = content->header.value("written_ms", json());
  if (written.is_number_integer()) file.written_ms = written.get<int64_t>();
  for (size_t i = 0; i < content->lines.size(); ++i) {
    const json& line = content->lines[i];
    const json key = line.value("key", json()), version = line.value("version", json()),
               record = line.value("record", json());
    const bool is_whole = key.is_string() && version.is_number_integer() && record.is_string();
    auto bytes = is_whole ? decode_base64(record.get<std::string>()) : std::nullopt;
    if (!bytes) {
      return fail(Error::corrupt(where + ": line " + std::to_string(i + 2) +
                                 " has no key, version and record"));
    }
    file.records.push_back(
        {key.get<std::string>(), Slice::copy_of(Bytes(*bytes)), version.get<int64_t>()});
  }
  return file;
}

}  // namespace isthmus::broker
