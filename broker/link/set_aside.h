// Setting aside: the source has deleted a topic and created another of its name. The copy of the
// first is renamed, as it stands, and so makes room for a copy of the second. Pure.
//
// <topic>.recreated is what it is called (spare_name.h). Nobody writes it from then on and no link
// carries it; it is read, and deleted, like any topic. Asked for by the link's mirror after
// delete_delay, or by an operator who does not wait for that.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/image/records.h"

namespace isthmus::broker {

struct SetAside {
  std::string topic;  // that it was a copy of
  std::string name;
};

// The copy with that id. Empty where it is no copy of that link, or not any more.
Result<Plan> plan_set_aside(const Image& image, const std::string& link, const Uuid& id,
                            std::vector<SetAside>& done);

// All copies of the link that are known to be of a topic before (was_recreated, link_plans.h), or
// those of `topics`. Refused where there is none, or one of those is not.
Result<Plan> plan_set_aside(const Image& image, const std::string& link,
                            const std::vector<std::string>& topics, std::vector<SetAside>& done);

}  // namespace isthmus::broker
