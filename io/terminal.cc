#include "io/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace isthmus::io {
namespace {

// A handler may write them, for they have no lock.
std::atomic<bool> told_to_end = false;
std::atomic<bool> told_of_size = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void note_signal(int signal) {
  if (signal == SIGWINCH) {
    told_of_size = true;
  } else {
    told_to_end = true;
  }
}

constexpr std::array noted_signals = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
constexpr char ctrl_c = 3;

}  // namespace

struct Terminal::Before {
  bool has_modes = false;
  termios modes{};
  std::array<struct sigaction, noted_signals.size()> actions{};
};

bool Terminal::is_seen() {
  const char* kind = std::getenv("TERM");
  const std::string_view known = kind == nullptr ? "" : kind;
  return ::isatty(STDOUT_FILENO) == 1 && !known.empty() && known != "dumb";
}

Terminal::Size Terminal::size() {
  Size size;
  winsize told{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &told) != 0) return size;
  if (told.ws_col > 0) size.columns = told.ws_col;
  if (told.ws_row > 0) size.rows = told.ws_row;
  return size;
}

Terminal::Terminal() : before_(std::make_unique<Before>()) {
  told_to_end = false;
  told_of_size = false;
  // Without SA_RESTART: a signal ends the wait for keys.
  struct sigaction noted{};
  noted.sa_handler = note_signal;
  ::sigemptyset(&noted.sa_mask);
  for (size_t i = 0; i < noted_signals.size(); ++i) {
    ::sigaction(noted_signals[i], &noted, &before_->actions[i]);
  }
  if (::tcgetattr(STDIN_FILENO, &before_->modes) != 0) return;
  before_->has_modes = true;
  termios modes = before_->modes;
  modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  modes.c_cc[VSUSP] = _POSIX_VDISABLE;  // who is stopped leaves the terminal as it is
  modes.c_cc[VMIN] = 0;
  modes.c_cc[VTIME] = 0;
  has_keys_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &modes) == 0;
}

Terminal::~Terminal() {
  if (before_->has_modes) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_->modes);
  for (size_t i = 0; i < noted_signals.size(); ++i) {
    ::sigaction(noted_signals[i], &before_->actions[i], nullptr);
  }
}

Terminal::Event Terminal::wait(std::chrono::milliseconds at_most) {
  // A signal between this look and the poll is seen at its end.
  pollfd keys{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (!told_to_end && !told_of_size) {
    const auto ready = ::poll(&keys, has_keys_ ? 1 : 0, static_cast<int>(at_most.count()));
    std::array<char, 64> typed;
    const ssize_t n = ready > 0 ? ::read(STDIN_FILENO, typed.data(), typed.size()) : 0;
    for (ssize_t i = 0; i < n; ++i) {
      const char key = typed[static_cast<size_t>(i)];
      if (key == 'q' || key == 'Q' || key == ctrl_c) return Event::end;
    }
    // A terminal that is gone would be ready, and say nothing, for ever.
    if (ready > 0 && n <= 0) return Event::end;
  }
  if (told_to_end) return Event::end;
  return told_of_size.exchange(false) ? Event::resized : Event::nothing;
}

}  // namespace isthmus::io
