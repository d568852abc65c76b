// isthmus metadata export|survey|import: what a cluster must not forget, saved, and brought back
// after its metadata were lost.
#include <charconv>
#include <nlohmann/json.hpp>

#include "broker/backup/rebuild.h"
#include "broker/store/embedded.h"
#include "broker/store/zookeeper_store.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "process/broker_config.h"
#include "process/config_file.h"
#include "zookeeper/session.h"

namespace isthmus::cli {
namespace {

using broker::MetadataStore;
using nlohmann::json;

struct MetadataOptions {
  std::string file;
  std::string config_file;
  std::vector<std::string> logs;
  std::vector<std::string> without;
  bool yes = false;
};
using Options = std::shared_ptr<MetadataOptions>;
using Records = std::vector<MetadataStore::Change>;

// Where a cluster's metadata are, by the file of one of its brokers.
class OpenedStore {
 public:
  OpenedStore(io::Env& env, const process::BrokerConfig& config) : env_(env), config_(config) {}

  io::Task<Result<void>> open();
  io::Task<void> close();
  // As they are now.
  Records records();
  MetadataStore& store() { return *store_; }

 private:
  io::Task<Result<void>> open_zookeeper();

  io::Env& env_;
  const process::BrokerConfig& config_;
  zookeeper::SessionConnector connector_;
  std::unique_ptr<zookeeper::Client> client_;
  std::unique_ptr<MetadataStore> store_;
  broker::ZookeeperStore* shared_ = nullptr;
};

io::Task<Result<void>> OpenedStore::open() {
  if (config_.broker.zookeeper) {
    auto opened = co_await open_zookeeper();
    co_return opened;
  }
  auto opened =
      broker::EmbeddedStore::open(env_.disk, env_.main_loop(), config_.broker.log_dirs.front());
  if (!opened) co_return fail(opened.error());
  store_ = std::move(*opened);
  co_return Result<void>{};
}

io::Task<Result<void>> OpenedStore::open_zookeeper() {
  const process::ZookeeperConfig& at = *config_.broker.zookeeper;
  auto digest = process::digest_of(at);
  if (!digest) co_return fail(digest.error());
  zookeeper::SessionOptions options{at.connect.servers_for_library(),
                                    io::milliseconds(at.session_timeout_ms), std::move(*digest)};
  auto begun = co_await connector_.begin(env_.main_loop(), std::move(options));
  if (!begun) co_return fail(begun.error());
  client_ = std::move(*begun);
  broker::ZookeeperStoreOptions where;
  where.root = at.connect.root;
  auto store = std::make_unique<broker::ZookeeperStore>(env_.main_loop(), env_.random, *client_,
                                                        std::move(where));
  shared_ = store.get();
  store_ = std::move(store);
  auto opened = co_await shared_->open();
  co_return opened;
}

io::Task<void> OpenedStore::close() {
  if (shared_ != nullptr) co_await shared_->close();
  store_.reset();
  if (client_) co_await connector_.end(std::move(client_));
}

Records OpenedStore::records() {
  Records records;
  bool is_first = true;
  store_->watch([&](const Records& told) {
    if (std::exchange(is_first, false)) records = told;
  });
  store_->watch([](const Records&) {});
  return records;
}

// Nobody may write there meanwhile.
Result<std::shared_ptr<void>> lock_alone(io::Disk& disk, const std::string& dir) {
  auto lock = disk.lock(dir + "/.lock");
  if (!lock) return fail(dir + ": a broker runs here: stop it first");
  return lock;
}

bool has_embedded_store(io::Disk& disk, const std::string& dir) {
  return disk.exists(dir + "/metadata.log");
}

Result<process::BrokerConfig> config_of(const MetadataOptions& options) {
  auto text = process::read_config_file(options.config_file);
  if (!text) return fail(text.error());
  return process::parse_config<process::BrokerConfig>(*text, options.config_file);
}

io::Task<Result<Records>> read_records(io::Env& env, const process::BrokerConfig& config) {
  const std::string& dir = config.broker.log_dirs.front();
  std::shared_ptr<void> lock;
  if (!config.broker.zookeeper) {
    if (!has_embedded_store(env.disk, dir)) co_return fail(dir + ": there is no cluster there");
    auto locked = lock_alone(env.disk, dir);
    if (!locked) co_return fail(locked.error());
    lock = std::move(*locked);
  }
  OpenedStore opened(env, config);
  auto done = co_await opened.open();
  Records records;
  if (done) records = opened.records();
  co_await opened.close();
  if (!done) co_return fail(done.error());
  co_return records;
}

io::Task<Exit> export_metadata(io::Env& env, Options options, bool as_json) {
  auto config = config_of(*options);
  if (!config) co_return fail_with(config.error());
  auto records = co_await read_records(env, *config);
  if (!records) co_return fail_with(records.error());
  const broker::MetadataFile file{std::move(*records), env.main_loop().wall_ms()};
  auto text = broker::encode_metadata(file);
  if (!text) co_return fail_with(text.error());
  auto written = io::replace_file(env.disk, options->file, as_bytes(*text), io::Disk::Open::secret);
  if (!written) co_return fail_with(written.error());
  if (as_json) {
    show(json{{"file", options->file}, {"records", file.records.size()}});
  } else {
    say("{} written to {}, for its owner alone: what passwords are verified by is in it",
        std::to_string(file.records.size()) + " records", options->file);
  }
  co_return Exit::done;
}

broker::LogConfig log_config_of(const process::BrokerConfig& config) {
  broker::LogConfig log;
  log.cluster = config.cluster.number;
  log.durability = config.broker.durability == process::Durability::fsync
                       ? broker::Durability::fsync
                       : broker::Durability::page_cache;
  return log;
}

io::Task<Exit> survey(io::Env& env, Options options, bool as_json) {
  auto config = config_of(*options);
  if (!config) co_return fail_with(config.error());
  auto logs = broker::survey_logs(env.disk, config->broker.log_dirs, log_config_of(*config));
  if (!logs) co_return fail_with(logs.error());
  auto written = io::replace_file(env.disk, options->file, as_bytes(broker::encode_survey(*logs)));
  if (!written) co_return fail_with(written.error());
  if (as_json) {
    show(json{{"file", options->file}, {"node", logs->node}, {"logs", logs->logs.size()}});
  } else {
    say("node {}: {} logs noted in {}", logs->node, logs->logs.size(), options->file);
  }
  co_return Exit::done;
}

Result<std::string> read_text(io::Disk& disk, const std::string& path) {
  auto bytes = io::read_whole(disk, path);
  if (!bytes) return fail(bytes.error());
  return std::string(as_text(*bytes));
}

// Those of the files, and this broker's own.
Result<std::vector<broker::LogSurvey>> surveys_of(io::Disk& disk, const MetadataOptions& options,
                                                  const process::BrokerConfig& config) {
  std::vector<broker::LogSurvey> surveys;
  if (disk.exists(config.broker.log_dirs.front() + "/meta.properties")) {
    auto own = broker::survey_logs(disk, config.broker.log_dirs, log_config_of(config));
    if (!own) return fail(own.error());
    surveys.push_back(std::move(*own));
  }
  for (const std::string& path : options.logs) {
    auto text = read_text(disk, path);
    if (!text) return fail(text.error());
    auto one = broker::decode_survey(*text, path);
    if (!one) return fail(one.error());
    // This broker's own is as good in a file.
    const bool is_own = !surveys.empty() && surveys.front().node == one->node;
    if (!is_own) surveys.push_back(std::move(*one));
  }
  return surveys;
}

Result<std::set<NodeId>> nodes_of(const std::vector<std::string>& names) {
  std::set<NodeId> nodes;
  for (const std::string& name : names) {
    NodeId node = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), node);
    if (error != std::errc{} || end != name.data() + name.size() || node < 0) {
      return fail("'" + name + "' is no node.id");
    }
    nodes.insert(node);
  }
  return nodes;
}

Result<broker::Rebuilt> rebuilt_from(io::Disk& disk, const MetadataOptions& options,
                                     const process::BrokerConfig& config) {
  auto text = read_text(disk, options.file);
  if (!text) return fail(text.error());
  auto file = broker::decode_metadata(*text, options.file);
  if (!file) return fail(file.error());
  auto without = nodes_of(options.without);
  if (!without) return fail(without.error());
  auto surveys = surveys_of(disk, options, config);
  if (!surveys) return fail(surveys.error());
  auto rebuilt = broker::rebuild(*file, *surveys, *without);
  if (!rebuilt) return rebuilt;
  const auto& [name, number] = std::tie(config.cluster.name, config.cluster.number);
  if (rebuilt->cluster_name != name || rebuilt->cluster_number != number) {
    return fail(options.file + " is of cluster " + rebuilt->cluster_name + " (number " +
                std::to_string(rebuilt->cluster_number) + "), the configuration says " + name +
                " (number " + std::to_string(number) + ")");
  }
  return rebuilt;
}

std::string place_of(const process::BrokerConfig& config) {
  if (!config.broker.zookeeper) return config.broker.log_dirs.front();
  return "ZooKeeper at " + config.broker.zookeeper->connect.to_string();
}

// REQUIRES: nobody else writes there.
io::Task<Result<void>> write_into_empty(io::Env& env, const process::BrokerConfig& config,
                                        const broker::Rebuilt& rebuilt) {
  OpenedStore opened(env, config);
  auto done = co_await opened.open();
  if (done && !opened.records().empty()) {
    done = fail(place_of(config) +
                " is not empty: there are metadata of a cluster in it; nothing "
                "was changed");
  }
  if (done) {
    auto committed =
        co_await opened.store().commit({{"/cluster", MetadataStore::absent}}, rebuilt.puts);
    if (!committed) done = fail(committed.error());
    const bool is_late = committed && *committed == MetadataStore::Outcome::conflict;
    if (is_late) done = fail(place_of(config) + " is not empty any more; nothing was changed");
  }
  co_await opened.close();
  co_return done;
}

io::Task<Result<void>> write_rebuilt(io::Env& env, const process::BrokerConfig& config,
                                     const broker::Rebuilt& rebuilt) {
  std::shared_ptr<void> lock;
  const std::string& dir = config.broker.log_dirs.front();
  if (!config.broker.zookeeper) {
    if (has_embedded_store(env.disk, dir)) {
      co_return fail(dir + " is not empty: there is " + dir + "/metadata.log; nothing was changed");
    }
    if (auto made = io::make_durable_folders(env.disk, dir); !made) co_return made;
    auto locked = lock_alone(env.disk, dir);
    if (!locked) co_return fail(locked.error());
    lock = std::move(*locked);
    // It tells of the store that is gone.
    const std::string synced = dir + "/metadata.synced";
    if (env.disk.exists(synced)) {
      if (auto removed = env.disk.remove(synced); !removed) co_return removed;
    }
  }
  auto done = co_await write_into_empty(env, config, rebuilt);
  co_return done;
}

void show_rebuilt(const broker::Rebuilt& rebuilt, const std::string& where, bool done,
                  bool as_json) {
  if (as_json) {
    show(json{{"cluster", rebuilt.cluster_name},
              {"incarnation", rebuilt.incarnation},
              {"topics", rebuilt.topics},
              {"partitions", rebuilt.partitions},
              {"notes", rebuilt.notes},
              {"imported", done}});
    return;
  }
  for (const std::string& note : rebuilt.notes) say("{}", note);
  say("cluster {}: {} topics with {} partitions, incarnation {}: {} {}", rebuilt.cluster_name,
      rebuilt.topics, rebuilt.partitions, static_cast<int>(rebuilt.incarnation),
      done ? "imported into" : "would be imported into", where);
}

io::Task<Exit> import_metadata(io::Env& env, Options options, bool as_json) {
  auto config = config_of(*options);
  if (!config) co_return fail_with(config.error());
  auto rebuilt = rebuilt_from(env.disk, *options, *config);
  if (!rebuilt) co_return fail_with(rebuilt.error());
  if (!options->yes) {
    show_rebuilt(*rebuilt, place_of(*config), false, as_json);
    complain("stop all brokers of the cluster, then say --yes; nothing was changed");
    co_return Exit::not_ready;
  }
  auto done = co_await write_rebuilt(env, *config, *rebuilt);
  if (!done) co_return fail_with(done.error());
  show_rebuilt(*rebuilt, place_of(*config), true, as_json);
  co_return Exit::done;
}

using Work = io::Task<Exit> (*)(io::Env&, Options, bool as_json);

Command add_metadata_command(Command group, const About& about, Options options, Work work,
                             const char* file) {
  Command command = group.command(about, [options, work](const Common& common) {
    return run_task([&](io::Env& env) { return work(env, options, common.json); });
  });
  command.argument("FILE", options->file, file);
  command.option("--config", options->config_file, "The YAML file of a broker of the cluster",
                 {.required = true, .type_name = "FILE"});
  return command;
}

}  // namespace

void add_metadata(Command line) {
  Command group = line.group("metadata", "What a cluster must not forget: saved, and brought back");
  auto options = std::make_shared<MetadataOptions>();
  add_metadata_command(
      group,
      {"export", "Writes all metadata of a cluster into a file, which is a secret",
       "isthmus metadata export seoul.metadata --config config/cluster/broker-1.yaml"},
      options, export_metadata, "is replaced, and for its owner alone");
  add_metadata_command(group,
                       {"survey", "Notes the logs that a stopped broker has, for an import",
                        "isthmus metadata survey broker-1.logs --config "
                        "config/cluster/broker-1.yaml"},
                       options, survey, "is replaced");
  Command imported = add_metadata_command(
      group,
      {"import", "Rebuilds lost metadata of a cluster from an export and its brokers' logs",
       "isthmus metadata import seoul.metadata --config config/cluster/broker-1.yaml --logs "
       "broker-2.logs --logs broker-3.logs --yes"},
      options, import_metadata, "that an export has written");
  imported.option("--logs", options->logs,
                  "What `survey` has written at the other brokers; once for each");
  imported.option("--without", options->without,
                  "A node.id whose disks are gone, with what it alone had; of one that was "
                  "surveyed, its damaged logs are passed over. Once for each");
  imported.flag("--yes", options->yes, "Do it; without, nothing is changed");
}

}  // namespace isthmus::cli
