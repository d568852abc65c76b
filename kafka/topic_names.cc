#include "kafka/topic_names.h"

#include <algorithm>

namespace isthmus::kafka {

bool is_internal(std::string_view topic) {
  return topic == "__consumer_offsets" || topic == "__transaction_state" ||
         topic == "__share_group_state";
}

bool is_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_topic_name && name != "." && name != ".." &&
         std::ranges::all_of(name, [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

bool do_names_collide(std::string_view one, std::string_view other) {
  return std::ranges::equal(
      one, other, [](char a, char b) { return (a == '.' ? '_' : a) == (b == '.' ? '_' : b); });
}

}  // namespace isthmus::kafka
