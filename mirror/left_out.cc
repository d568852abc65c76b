#include "mirror/left_out.h"

namespace isthmus::mirror {

namespace {
// A report stays small; how many there are is said besides.
constexpr size_t most_names = 200;
}  // namespace

void LeftOut::found(const SourceTopic& topic, bool selected) {
  if (topic.link.empty()) written_[topic.name] = selected;
}

void LeftOut::tell(const std::set<std::string>& mirrored,
                   const std::map<std::string, std::string>& refused,
                   kafka::ReportMirrorRequest& into) const {
  into.left_out_count = 0;
  for (const auto& [name, selected] : written_) {
    if (mirrored.contains(name)) continue;
    if (++into.left_out_count > static_cast<int32_t>(most_names)) continue;
    auto why = refused.find(name);
    std::string reason = why != refused.end() ? why->second : "not attached yet";
    if (!selected) reason = "not among the link's topics";
    into.left_out.push_back({name, selected, std::move(reason)});
  }
}

}  // namespace isthmus::mirror
