// How the reasons of a failed mirror partition begin that others act on: the mirror finds them, the
// target records them, the operator's commands tell what may be done.
#pragma once

#include <string_view>

namespace isthmus::kafka {

// The source has removed offsets that the target does not hold. A gap in their place can be
// accepted: isthmus link resume --accept-gap.
inline constexpr std::string_view retention_overtook = "retention_overtook";

}  // namespace isthmus::kafka
