#include "mirror/succession.h"

#include <algorithm>

namespace isthmus::mirror {

io::Duration alive_for(std::optional<io::Duration> promised) {
  constexpr io::Duration least = io::milliseconds(2500);
  constexpr int missed = 3;
  return std::max(least, missed * promised.value_or(longest_pause));
}

io::Duration promise(io::Duration latest, io::Duration so_far, io::Duration pause) {
  return std::max(latest, 2 * so_far) + pause;
}

}  // namespace isthmus::mirror
