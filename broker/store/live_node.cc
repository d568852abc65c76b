#include "broker/store/live_node.h"

#include "kafka/gen/live_node_record.h"
#include "kafka/wire.h"

namespace isthmus::broker {

using zookeeper::Op;

Slice encode_live_node(const LiveNode& node) {
  kafka::LiveNodeRecord record{
      node.process, node.directory, node.address, node.replication_factor, {}};
  for (const auto& [key, value] : node.settings) record.settings.push_back({key, value});
  return kafka::encode_versioned(record, kafka::LiveNodeRecord::max_version);
}

Result<LiveNode> decode_live_node(const Slice& data, const std::string& where) {
  kafka::Reader reader(data);
  const int16_t version = reader.int16();
  auto record = kafka::LiveNodeRecord::decode(reader, version);
  if (!record) return fail(Error::corrupt("zookeeper: " + where + ": " + record.error().text));
  LiveNode node{record->process_id, record->directory_id, record->address,
                record->replication_factor};
  for (auto& [key, setting] : record->settings) node.settings[std::move(key)] = std::move(setting);
  return node;
}

std::vector<std::string> differences(const LiveNode& mine, NodeId node, const LiveNode& theirs) {
  const auto line = [&](const std::string& key, const std::string& here, const std::string& there) {
    return key + " differs: " + here + " here, " + there + " at node " + std::to_string(node) +
           " (" + theirs.address + "); which one holds depends on who is asked";
  };
  const auto text_of = [](int32_t factor) {
    return factor < 0 ? std::string("the number of brokers") : std::to_string(factor);
  };
  std::vector<std::string> lines;
  if (mine.replication_factor != theirs.replication_factor) {
    lines.push_back(line("default.replication.factor", text_of(mine.replication_factor),
                         text_of(theirs.replication_factor)));
  }
  for (const auto& [key, value] : mine.settings) {
    const auto known = theirs.settings.find(key);
    if (known == theirs.settings.end() || known->second == value) continue;
    lines.push_back(line(key, value, known->second));
  }
  return lines;
}

Result<std::vector<Op>> plan_to_live(const ZookeeperLayout& layout, NodeId id, const LiveNode& mine,
                                     const std::optional<zookeeper::Node>& there) {
  const std::string path = layout.live(id);
  std::vector<Op> ops;
  if (there) {
    const auto now = decode_live_node(there->data, path);
    if (!now) return fail(now.error());
    if (now->process == mine.process) return ops;
    if (now->directory != mine.directory) {
      return fail("node.id " + std::to_string(id) + " is in use by the broker at " + now->address +
                  ", whose data directory is another (" + now->directory.to_string() +
                  "): give this one a node.id of its own");
    }
    ops.push_back({Op::Kind::remove, path, {}, there->version});
    ops.push_back({Op::Kind::remove, layout.token(now->process)});
  }
  ops.push_back({Op::Kind::create_ephemeral, path, encode_live_node(mine)});
  ops.push_back({Op::Kind::create_ephemeral, layout.token(mine.process)});
  return ops;
}

std::vector<Op> demands_of(const ZookeeperLayout& layout, const Uuid& process) {
  return {{Op::Kind::check, layout.token(process)}};
}

}  // namespace isthmus::broker
