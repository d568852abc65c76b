// Which names topics may have, beyond being texts. Pure functions.
#pragma once

#include <cstddef>
#include <string_view>

namespace isthmus::kafka {

// Kafka's own topics: they belong to their cluster and are neither mirrored nor moved. Any other
// name is its clients', whatever it begins with.
bool is_internal(std::string_view topic);
// That of the group coordinators.
inline constexpr const char* offsets_topic = "__consumer_offsets";

constexpr size_t longest_topic_name = 249;
// 1..249 of [a-zA-Z0-9._-], not "." or "..".
bool is_topic_name(std::string_view name);

// Whether two names are one in the names of metrics, where '.' becomes '_': Kafka takes only one of
// them.
bool do_names_collide(std::string_view one, std::string_view other);

}  // namespace isthmus::kafka
