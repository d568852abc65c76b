#include "io/turn_watch.h"

#include <fmt/format.h>

#include <algorithm>

namespace isthmus::io {

namespace {
thread_local TurnWatch* running = nullptr;
}  // namespace

TurnWatch* running_turns() { return running; }
void set_running_turns(TurnWatch* turns) { running = turns; }

void TurnWatch::begin(Instant now) {
  running_ = true;
  began_ = part_began_ = now;
  part_ = longest_part_ = {};
}

void TurnWatch::doing(std::string_view what, Instant now) {
  if (!running_) return;
  end_part(now);
  part_.what = what;
}

void TurnWatch::end_part(Instant now) {
  part_.took = now - part_began_;
  part_began_ = now;
  if (part_.took > longest_part_.took) longest_part_ = part_;
}

std::optional<std::string> TurnWatch::end(Instant now) {
  if (!running_) return std::nullopt;
  running_ = false;
  const Duration took = now - began_;
  turns_.observe(took);
  if (took <= too_long) return std::nullopt;
  end_part(now);
  ++stalls_[longest_part_.what];
  if (told_ && now - *told_ < between_lines) {
    ++untold_;
    return std::nullopt;
  }
  return tell(took, now);
}

std::string TurnWatch::tell(Duration took, Instant now) {
  const auto ms = [](Duration d) { return std::chrono::duration_cast<milliseconds>(d).count(); };
  std::string text = fmt::format("held for {} ms, of which {} ms by: {}", ms(took),
                                 ms(longest_part_.took), longest_part_.what);
  if (untold_ > 0) text += fmt::format(" ({} more since this was last said)", untold_);
  told_ = now;
  untold_ = 0;
  return text;
}

}  // namespace isthmus::io
