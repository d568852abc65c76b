#include "broker/link/set_aside.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "broker/link/spare_name.h"
#include "kafka/errors.h"
#include "kafka/gen/mirror_trouble.h"

namespace isthmus::broker {

namespace {

bool is_of_one_before(const TopicImage& copy) {
  return std::ranges::any_of(copy.partitions, [](const PartitionImage& partition) {
    return partition.mirror_state == MirrorState::failed &&
           partition.mirror_reason.starts_with(to_string(kafka::MirrorTrouble::recreated));
  });
}

// Names that this plan gives are taken for the next.
Result<void> add(Image& image, Plan& plan, const TopicImage& copy, std::vector<SetAside>& done) {
  auto name = spare_name(image, copy.name, "recreated");
  if (!name) return fail(name.error());
  TopicImage aside = copy;
  aside.writer = kafka::TopicWriter::Aside{};
  for (PartitionImage& partition : aside.partitions) {
    partition.mirror_state = MirrorState::none;
    partition.mirror_reason.clear();
  }
  aside.renamed_from = std::exchange(aside.name, *name);
  plan.change(copy, aside);
  image.topics[*name] = std::make_shared<const TopicImage>(std::move(aside));
  done.push_back({copy.name, std::move(*name)});
  return {};
}

}  // namespace

Result<Plan> plan_set_aside(const Image& image, const std::string& link, const Uuid& id,
                            std::vector<SetAside>& done) {
  done.clear();
  Plan plan;
  const TopicImage* copy = image.find(id);
  if (copy == nullptr || !copy->writer.is_link(link)) return plan;
  Image next = image;
  if (auto added = add(next, plan, *copy, done); !added) return fail(added.error());
  return plan;
}

Result<Plan> plan_set_aside(const Image& image, const std::string& link,
                            const std::vector<std::string>& topics, std::vector<SetAside>& done) {
  done.clear();
  Plan plan;
  Image next = image;
  const auto wished = [&](const std::string& name) {
    return topics.empty() || std::ranges::find(topics, name) != topics.end();
  };
  for (const auto& [name, copy] : image.topics) {
    if (!wished(name) || !copy->writer.is_link(link) || !is_of_one_before(*copy)) continue;
    if (auto added = add(next, plan, *copy, done); !added) return fail(added.error());
  }
  const auto missed = std::ranges::find_if(topics, [&](const std::string& name) {
    return std::ranges::find(done, name, &SetAside::topic) == done.end();
  });
  if (missed != topics.end()) {
    return kafka::refuse(
        kafka::ErrorCode::invalid_request,
        *missed + " is no copy of " + link + " whose topic was created again at the source");
  }
  if (done.empty()) {
    return kafka::refuse(kafka::ErrorCode::invalid_request,
                         "the source has created no topic of " + link + " again");
  }
  return plan;
}

}  // namespace isthmus::broker
