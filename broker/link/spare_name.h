// What a topic is called that is kept beside the one whose name it had: <topic>.<suffix>. Pure.
#pragma once

#include <string>

#include "base/error.h"
#include "broker/image/image.h"

namespace isthmus::broker {

// Shortened where that is too long for a topic, numbered where it is taken or is one with another
// topic's in metrics. Refused where many of those are taken.
Result<std::string> spare_name(const Image& image, const std::string& topic,
                               const std::string& suffix);

}  // namespace isthmus::broker
