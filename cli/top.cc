// isthmus top: what the page of an admin port shows, in a terminal.
#include <langinfo.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "cli/admin_port.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/top_view.h"
#include "io/gate.h"
#include "io/real.h"
#include "io/terminal.h"
#include "process/units.h"

namespace isthmus::cli {
namespace {

using io::Terminal;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr size_t longest_status = 64 * 1024 * 1024;
constexpr milliseconds least_pause{200};
constexpr milliseconds most_pause{3'600'000};
constexpr milliseconds look_for_keys{100};

struct TopOptions {
  AdminPortOptions port;
  std::string every = "2s";
  bool once = false;
};

Result<json> ask_status(const AdminPort& port) {
  auto text = port.ask("GET", "/status", longest_status);
  if (!text) return fail(text.error());
  json status = json::parse(*text, nullptr, false);
  if (!status.is_object()) return fail(port.url() + ": /status is no JSON object");
  return status;
}

// The C library says what characters the terminal has; everything else stays as in the C locale.
bool has_unicode() {
  std::setlocale(LC_CTYPE, "");
  const bool has = std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
  std::setlocale(LC_CTYPE, "C");
  return has;
}

const char* colour_of(TopMark mark) {
  switch (mark) {
    case TopMark::plain: return "";
    case TopMark::heading: return "\x1b[1m";
    case TopMark::stop: return "\x1b[31m";
    case TopMark::warn: return "\x1b[33m";
    case TopMark::good: return "\x1b[32m";
    case TopMark::quiet: return "\x1b[2m";
  }
  return "";
}

std::string coloured(const TopLine& line, bool colours) {
  const std::string colour = colours ? colour_of(line.mark) : "";
  return colour.empty() ? line.text : colour + line.text + "\x1b[0m";
}

// By https://no-color.org: of any value but the empty one.
bool wants_colours() {
  const char* refused = std::getenv("NO_COLOR");
  return Terminal::is_seen() && (refused == nullptr || *refused == '\0');
}

// The terminal's other screen, without a cursor and without lines that go on in the next; what
// stood there before is there again when it ends.
class Screen {
 public:
  Screen() { show_document("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"); }
  ~Screen() { show_document("\x1b[?7h\x1b[?25h\x1b[?1049l"); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Over what stands there, so that nothing flickers.
  void draw(const std::vector<TopLine>& lines, bool colours) {
    std::string text = "\x1b[H";
    for (size_t i = 0; i < lines.size(); ++i) {
      if (i > 0) text += "\r\n";
      text += coloured(lines[i], colours) + "\x1b[K";
    }
    text += "\x1b[J";
    if (text == drawn_) return;
    show_document(text);
    drawn_ = std::move(text);
  }
  // What stands there is no longer known.
  void forget() { drawn_.clear(); }

 private:
  std::string drawn_;
};

// What was heard, and when.
struct Hearing {
  const AdminPort& port;
  TopHeard heard = {};
  std::chrono::steady_clock::time_point answered = {};
  std::chrono::steady_clock::time_point asked = {};
  bool asking = false;
};

io::Task<void> hear(io::Env& env, Hearing& hearing) {
  hearing.asking = true;
  hearing.asked = env.main_loop().now();
  auto ask = [&hearing] { return ask_status(hearing.port); };
  auto status = co_await io::run_on(env.workers, std::move(ask));
  hearing.asking = false;
  if (status) {
    hearing.heard.status = std::move(*status);
    hearing.heard.lost.clear();
    hearing.answered = env.main_loop().now();
  } else {
    hearing.heard.lost = status.error().text;
  }
}

// How it is shown.
struct Manner {
  milliseconds every;
  bool unicode = false;
  bool colours = false;
};

void draw(Screen& screen, Hearing& hearing, io::Instant now, const Manner& manner) {
  TopHeard& heard = hearing.heard;
  const auto silence = std::chrono::duration_cast<milliseconds>(now - hearing.answered);
  heard.answered_ms_ago = heard.lost.empty() ? 0 : silence.count();
  const Terminal::Size size = Terminal::size();
  const TopLook look{.width = static_cast<size_t>(size.columns), .unicode = manner.unicode};
  screen.draw(fit_rows(top_view(heard, look), static_cast<size_t>(size.rows)), manner.colours);
}

// Until somebody ends it. Keys are looked for while the process is asked, which may take seconds.
io::Task<void> draw_until_ended(io::Env& env, io::Gate& gate, Hearing& hearing, Manner manner) {
  Terminal terminal;
  Screen screen;
  auto event = Terminal::Event::nothing;
  while (event != Terminal::Event::end) {
    const io::Instant now = env.main_loop().now();
    const bool is_first = hearing.asked == io::Instant{};
    if (!hearing.asking && (is_first || now - hearing.asked >= manner.every)) {
      gate.spawn("ask", hear(env, hearing));
    }
    if (event == Terminal::Event::resized) screen.forget();
    draw(screen, hearing, now, manner);
    auto look = [&terminal] { return terminal.wait(look_for_keys); };
    event = co_await io::run_on(env.workers, std::move(look));
  }
}

io::Task<Exit> watch(io::Env& env, const AdminPort& port, Manner manner) {
  Hearing hearing{.port = port};
  io::Gate gate(env.main_loop());
  co_await draw_until_ended(env, gate, hearing, manner);
  co_await gate.close();
  co_return Exit::done;
}

Exit show_once(const AdminPort& port) {
  auto status = ask_status(port);
  if (!status) return fail_with(status.error());
  const TopHeard heard{.status = std::move(*status)};
  const TopLook look{.width = static_cast<size_t>(Terminal::size().columns),
                     .unicode = has_unicode()};
  const bool colours = wants_colours();
  std::string text;
  for (const TopLine& line : top_view(heard, look)) text += coloured(line, colours) + "\n";
  show_document(text);
  return is_wrong(heard) ? Exit::degraded : Exit::done;
}

// As it is, but for what a terminal would obey: the port itself writes nothing of that kind.
Exit show_status(const AdminPort& port) {
  auto text = port.ask("GET", "/status", longest_status);
  if (!text) return fail_with(text.error());
  const json status = json::parse(*text, nullptr, false);
  if (!status.is_object()) {
    return fail_with(Error::message(port.url() + ": /status is no JSON object"));
  }
  show_document(printable(*text) + "\n");
  return is_wrong({.status = status}) ? Exit::degraded : Exit::done;
}

Exit run_top(const TopOptions& options, bool as_json) {
  auto every = process::parse_duration(options.every);
  if (!every) return fail_with(Error::message("--every: " + every.error().text));
  auto port = AdminPort::of(options.port);
  if (!port) return fail_with(port.error());
  if (as_json) return show_status(*port);
  if (options.once || !Terminal::is_seen()) return show_once(*port);
  const Manner manner{.every = std::clamp(*every, least_pause, most_pause),
                      .unicode = has_unicode(),
                      .colours = wants_colours()};
  return run_task([&](io::Env& env) { return watch(env, *port, manner); });
}

}  // namespace

void add_top(Command line) {
  auto options = std::make_shared<TopOptions>();
  Command top = line.command(
      {"top",
       "Shows what is wrong at a process, and what it has: its page in a terminal; q ends it",
       "isthmus top --admin 127.0.0.1:9646"},
      [options](const Common& common) { return run_top(*options, common.json); });
  add_admin_options(top, options->port, "One of its admin.users; a viewer will do");
  top.option("--every", options->every, "How often it is asked, as 500ms or 5s; at first every 2s",
             {.type_name = "TIME"});
  top.flag("--once", options->once,
           "One picture, then the end, also in a terminal: exit 2 when something is wrong");
}

}  // namespace isthmus::cli
