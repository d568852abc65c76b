// A PartitionTable as a broker drives it, on a simulated machine with two log directories.
#pragma once

#include <algorithm>
#include <iterator>

#include "broker/replica/partition_table.h"
#include "kafka/batch.h"
#include "tests/broker/apply_plan.h"
#include "tests/broker/task_world.h"

namespace isthmus::broker {

using std::chrono::seconds;

// A table that follows images which the test writes, on two loops and two disks' folders.
class PartitionTableTest : public testing::Test {
 protected:
  PartitionTableTest() { boot(); }
  ~PartitionTableTest() override {
    if (table_) world_.run(done(table_->close()));
    table_.reset();
  }

  static io::Task<bool> done(io::Task<void> task) {
    co_await task;
    co_return true;
  }
  void boot() {
    published_ = std::make_unique<PublishedImage>();
    table_ = std::make_unique<PartitionTable>(world_.env(), 1, *published_, log_dirs_,
                                              [this](const auto&) { return config_; });
    auto claimed = table_->claim();
    ASSERT_TRUE(claimed) << claimed.error().text;
    for (const std::string& dir : table_->dirs().present()) {
      if (world_.disk().exists(dir + "/meta.properties")) continue;
      const MetaProperties mark{"cluster", 101, 1, 0, uuid_of(++directories_)};
      mark.write(world_.disk(), dir).value();
    }
    auto taken = table_->take_over();
    ASSERT_TRUE(taken) << taken.error().text;
  }
  void lose_power() {
    world_.host.crash();
    table_.reset();
    world_.crash();
    start();
  }
  // A clean stop; the machine goes on.
  void stop() {
    world_.run(done(table_->close()));
    table_.reset();
    world_.kill();
  }
  void kill() {
    world_.host.kill();
    table_.reset();
    world_.kill();
  }
  void start() {
    boot();
    follow();
  }
  void stop_and_start() {
    stop();
    start();
  }

  void create(const std::string& name, uint8_t id, size_t partitions) {
    decide(name, id, partitions);
    follow();
  }
  // The image has it from now on; nobody has followed.
  void decide(const std::string& name, uint8_t id, size_t partitions) {
    TopicImage topic;
    topic.name = name;
    topic.id = uuid_of(id);
    topic.partitions.resize(partitions, led_by(1));
    Plan plan;
    plan.create(topic);
    image_ = after(*image_, plan, ++version_);
    published_->store(image_);
  }
  void remove(const std::string& name) {
    decide_to_remove(name);
    follow();
  }
  void set_aside(const std::string& name, const std::string& to) {
    decide_to_set_aside(name, to);
    follow();
  }
  void decide_to_set_aside(const std::string& name, const std::string& to) {
    TopicImage topic = *image_->find(name);
    topic.writer = TopicWriter::Aside{};
    topic.renamed_from = std::exchange(topic.name, to);
    Plan plan;
    plan.change(*image_->find(name), topic);
    image_ = after(*image_, plan, ++version_);
    published_->store(image_);
  }
  void decide_to_remove(const std::string& name) {
    Plan plan;
    plan.remove(*image_->find(name));
    image_ = after(*image_, plan, ++version_);
  }
  // As a broker does it now and then, and what its metadata keep of it afterwards.
  void finish_deletions() {
    io::Event stop(world_.loop());
    world_.run(done(table_->finish_deletions(stop)));
    Plan plan;
    for (const DeletedTopic& topic : table_->finished_deletions()) plan.forget(topic);
    image_ = after(*image_, plan, ++version_);
    follow();
  }
  void follow() {
    published_->store(image_);
    auto followed = world_.run(table_->follow(image_));
    ASSERT_TRUE(followed) << followed.error().text;
  }
  static io::Task<Result<Offset>> write(PartitionRef partition) {
    kafka::BatchBuilder builder({});
    builder.add(1000, std::nullopt, as_bytes("v"));
    const io::Instant now = partition.loop().now();
    auto info = co_await partition.append(ClientWriter{now}, std::move(builder).finish());
    if (!info) co_return fail(info.error());
    auto safe = co_await partition.committed(info->last_offset + 1, now + seconds(30));
    if (!safe) co_return fail(safe.error());
    co_return info->first_offset;
  }
  Offset write(const std::string& topic, PartitionIndex index = 0) {
    auto written = world_.run(write(table_->find(topic, index)));
    EXPECT_TRUE(written) << written.error().text;
    return written.value_or(-1);
  }
  std::vector<std::string> folders() {
    return names([](const std::string& name) { return name.starts_with("orders"); });
  }
  std::vector<std::string> strays() {
    return names([](const std::string& name) { return name.ends_with("-stray"); });
  }
  std::vector<std::string> doomed() {
    return names([](const std::string& name) { return name.ends_with("-delete"); });
  }
  template <typename Wanted>
  std::vector<std::string> names(Wanted wanted) {
    std::vector<std::string> all;
    for (const std::string& dir : log_dirs_) {
      if (!world_.disk().exists(dir)) continue;
      const auto found = world_.disk().list(dir).value();
      std::ranges::copy_if(found, std::back_inserter(all), wanted);
    }
    return all;
  }

  TaskWorld world_{1, 2};
  std::vector<std::string> log_dirs_ = {"/data/1", "/data/2"};
  std::shared_ptr<const Image> image_ = std::make_shared<const Image>();
  LogConfig config_;
  int64_t version_ = 0;
  uint8_t directories_ = 100;
  std::unique_ptr<PublishedImage> published_;
  std::unique_ptr<PartitionTable> table_;
};

}  // namespace isthmus::broker
