#include "cli/top_view.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cli/told.h"
#include "cli/top_trouble.h"
#include "cli/top_words.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;
using Cells = std::vector<std::string>;
using Rows = std::vector<Cells>;

constexpr int64_t old_after_ms = 5000;
constexpr size_t shown_brokers = 8;  // of more, those that serve are counted
constexpr size_t shown_groups = 12;
constexpr size_t shown_partitions = 3;  // of a trouble
constexpr size_t widest_spark = 60;

// Who does not say it is of an older release.
std::string role_of(const json& status) {
  std::string role = told_text(status, "role");
  if (!role.empty()) return role;
  if (status.contains("virtual_cluster")) return "router";
  return status.contains("node_id") ? "broker" : "mirror";
}

bool is_old(const TopHeard& heard) {
  return !heard.lost.empty() || told_number(heard.status, "age_ms") > old_after_ms;
}

// A status as lines, part by part.
class TopPicture {
 public:
  TopPicture(const json& status, const TopLook& look)
      : status_(status), look_(look), now_(told_number(status, "time_ms").value_or(0)) {}

  void add_head(const TopHeard& heard, const std::vector<Trouble>& troubles);
  void add_troubles(const std::vector<Trouble>& troubles);
  void add_role();
  std::vector<TopLine> take() { return std::move(lines_); }

 private:
  void add_sites();
  void add_brokers(const json& site);
  void add_links();
  void add_link(const json& link);
  void add_history(const json& link);
  void add_moves();
  void add_steps(const json& move);
  void add_groups();
  void add_broker();
  void add_mirrored(const std::string& name, const json& link);

  std::string shown(std::string_view text) const { return shown_text(text, look_); }
  void heading(const char* text);
  void line(const std::string& text, TopMark mark = TopMark::plain);
  void wrapped(const std::string& lead, const std::string& text, TopMark mark = TopMark::plain);
  void grid(const std::vector<GridColumn>& columns, Rows rows,
            const std::vector<TopMark>& marks = {});

  const json& status_;
  const TopLook& look_;
  const int64_t now_;
  std::vector<TopLine> lines_;
};

void TopPicture::heading(const char* text) {
  lines_.push_back({"", TopMark::plain});
  lines_.push_back({cut_text(text, look_.width, look_), TopMark::heading});
}

void TopPicture::line(const std::string& text, TopMark mark) {
  lines_.push_back({cut_text(shown(text), look_.width, look_), mark});
}

void TopPicture::wrapped(const std::string& lead, const std::string& text, TopMark mark) {
  for (std::string& each : wrapped_text(lead, shown(text), look_)) {
    lines_.push_back({std::move(each), mark});
  }
}

void TopPicture::grid(const std::vector<GridColumn>& columns, Rows rows,
                      const std::vector<TopMark>& marks) {
  for (Cells& row : rows) {
    for (std::string& cell : row) cell = shown(cell);
  }
  auto lines = grid_lines(columns, std::move(rows), look_);
  for (size_t i = 0; i < lines.size(); ++i) {
    lines_.push_back({std::move(lines[i]), i < marks.size() ? marks[i] : TopMark::plain});
  }
}

void TopPicture::add_head(const TopHeard& heard, const std::vector<Trouble>& troubles) {
  const std::string cluster = told_text(status_, "virtual_cluster");
  std::string name = told_text(status_, "name");
  if (name.empty()) name = cluster.empty() ? told_text(status_, "cluster") : cluster;
  const bool of_cluster = role_of(status_) == "router" && !cluster.empty() && cluster != name;
  const auto age = told_number(status_, "age_ms");
  std::string when;
  if (now_ != 0) {
    when = fmt::format(
        "; as of {} UTC, {}", clock_text(elapsed_ms(now_, age.value_or(0)), now_),
        age ? ago_text(elapsed_ms(*age, 0) + heard.answered_ms_ago) : "it has said nothing");
  }
  wrapped("",
          fmt::format("{}, Isthmus {}{}{}", name.empty() ? "Isthmus" : name, role_of(status_),
                      of_cluster ? " of " + cluster : "", when),
          TopMark::heading);
  if (is_old(heard)) {
    const std::string why =
        heard.lost.empty()
            ? fmt::format("the {} itself has said nothing new for {}", role_of(status_),
                          lasting_text(*age))
            : fmt::format("no answer for {}: {}", lasting_text(heard.answered_ms_ago),
                          bare_text(heard.lost));
    wrapped("", fmt::format("STALE: {}. What stands below is the last picture.", why),
            TopMark::stop);
    return;
  }
  const auto stops = std::ranges::count(troubles, true, &Trouble::stops);
  const auto warnings = static_cast<int64_t>(troubles.size()) - stops;
  const char* ready = told_flag(status_, "ready") == false ? "Not ready" : "Ready";
  const std::string wrong = joined({stops > 0 ? count_text(stops, "stop") : "",
                                    warnings > 0 ? count_text(warnings, "warning") : ""},
                                   ", ");
  line(fmt::format("{}. {}.", ready, wrong.empty() ? "All is well" : wrong),
       stops > 0      ? TopMark::stop
       : warnings > 0 ? TopMark::warn
                      : TopMark::good);
}

void TopPicture::add_troubles(const std::vector<Trouble>& troubles) {
  if (troubles.empty()) return;
  heading("WHAT IS WRONG");
  for (const Trouble& trouble : troubles) {
    const TopMark mark = trouble.stops ? TopMark::stop : TopMark::warn;
    wrapped(trouble.stops ? "STOP  " : "WARN  ", trouble.where + ": " + trouble.text + ".", mark);
    const size_t all = trouble.list.size();
    const size_t told = all <= shown_partitions ? all : shown_partitions - 1;
    for (size_t i = 0; i < told; ++i) wrapped("      - ", trouble.list[i]);
    const int64_t more = static_cast<int64_t>(all - told) + trouble.more;
    if (more > 0 && all > 0) line(fmt::format("      and {} more", grouped_text(more)));
    if (!trouble.next.empty()) wrapped("      next: ", trouble.next);
  }
}

void TopPicture::add_role() {
  const std::string role = role_of(status_);
  if (role == "router") {
    add_sites();
    add_links();
    add_moves();
    add_groups();
  } else if (role == "broker") {
    add_broker();
  } else if (role == "mirror") {
    heading("LINKS");
    const json& links = told_object(status_, "links");
    if (links.empty()) line("There is none.", TopMark::quiet);
    for (const auto& [name, link] : links.items()) add_mirrored(name, link);
  }
}

// --- a router ------------------------------------------------------------------------------

void TopPicture::add_sites() {
  const json sites = sites_of(status_);
  if (sites.empty()) return;
  heading("SITES");
  for (const json& site : sites) {
    const auto [state, mark] = state_of_site(site);
    const auto number = told_number(site, "number");
    const std::string which = !number        ? ""
                              : *number == 0 ? " (not Isthmus)"
                                             : fmt::format(" ({})", *number);
    wrapped("", fmt::format("{}{}: {}", or_unknown(told_text(site, "name")), which, state), mark);
    wrapped("  ", partitions_of_site(site), TopMark::quiet);
    add_brokers(site);
  }
}

void TopPicture::add_brokers(const json& site) {
  const json& brokers = told_list(site, "brokers");
  Rows rows;
  std::vector<TopMark> marks;
  int64_t quiet = 0;
  for (const json& broker : brokers) {
    const std::string state = told_text(broker, "state");
    const bool controls = told_flag(broker, "controller") == true;
    const bool serves = state == "serving";
    if (brokers.size() > shown_brokers && serves && !controls) {
      ++quiet;
      continue;
    }
    const std::string drain = told_text(broker, "drain");
    const auto id = told_number(broker, "node_id");
    rows.push_back({fmt::format("  {}", id ? std::to_string(*id) : not_known),
                    joined({told_text(broker, "address"), told_text(broker, "rack")}, ", "),
                    joined({or_unknown(state), controls ? "controller" : "",
                            drain.empty() || drain == "none" ? "" : "drained of " + drain},
                           ", "),
                    "leads " + grouped_text(told_number(broker, "leads")),
                    fmt::format("in sync {}/{}", grouped_text(told_number(broker, "in_sync")),
                                grouped_text(told_number(broker, "replicas")))});
    marks.push_back(serves ? TopMark::plain : state == "fenced" ? TopMark::stop : TopMark::warn);
  }
  grid({{.right = true}, {.free = true}, {.free = true}, {.right = true}, {.right = true}},
       std::move(rows), marks);
  if (quiet > 0) line(fmt::format("  and {}, serving", count_text(quiet, "more broker")));
}

void TopPicture::add_links() {
  const json& links = told_list(status_, "links");
  if (links.empty()) return;
  heading("LINKS");
  for (const json& link : links) add_link(link);
}

void TopPicture::add_link(const json& link) {
  const auto [state, mark] = state_of_link(link);
  wrapped("",
          fmt::format("{}: {} {} {}: {}", or_unknown(told_text(link, "name")),
                      or_unknown(told_text(link, "source")), look_.unicode ? "→" : "->",
                      or_unknown(told_text(link, "target")), state),
          mark);
  if (told_number(link, "partitions") == 0) {
    line("  no topic is mirrored this way", TopMark::quiet);
    return;
  }
  const auto rate = told_number(link, "records_per_s"), failed = told_number(link, "failed");
  const auto held = static_cast<int64_t>(told_list(link, "held").size());
  const auto heard = told_number(link, "mirror_age_ms");
  wrapped("  ", joined({lag_text(link), rate ? grouped_text(rate) + " records/s" : "rate not known",
                        count_text(told_number(link, "partitions"), "partition"),
                        failed > 0 ? grouped_text(failed) + " not mirrored" : "",
                        count_text(told_number(link, "groups"), "group"),
                        held > 0 ? grouped_text(held) + " held" : "",
                        heard ? "mirror heard " + ago_text(*heard) : "mirror not heard",
                        told_flag(link, "source_answers") == false ? "source does not answer" : ""},
                       ", "));
  std::string loss = bare_text(told_text(link, "would_lose"));
  if (loss.empty()) loss = "unknown";
  wrapped("  ", loss.starts_with("unknown") ? "what a failover now would lose is " + loss
                                            : "a failover now would lose " + loss);
  add_history(link);
}

void TopPicture::add_history(const json& link) {
  const json& history = told_object(link, "history");
  struct Kind {
    const char* member;
    const char* title;
    int64_t least;  // what looks like next to nothing
  };
  constexpr Kind kinds[] = {{"lag_ms", "  lag,  1 h ", 1000},
                            {"records_per_s", "  rate, 1 h ", 10}};
  constexpr size_t room_for_words = 24;
  for (const auto& [member, title, least] : kinds) {
    const json& samples = told_list(history, member);
    std::optional<int64_t> most;
    for (const json& sample : samples) {
      if (const auto value = number_of(sample)) most = std::max(most.value_or(0), *value);
    }
    if (!most) continue;
    const size_t taken = std::string_view(title).size() + room_for_words;
    const size_t columns = std::min(widest_spark, look_.width > taken ? look_.width - taken : 0);
    const std::string spark =
        spark_line(samples, told_number(history, "every_ms"), least, columns, look_);
    const std::string words = least == 1000 ? duration_text(most) : grouped_text(most) + "/s";
    line(fmt::format("{}{}{}most {}", title, spark, spark.empty() ? "" : "  ", words));
  }
}

// Those under way with their steps, and the last of those that are over.
void TopPicture::add_moves() {
  const json& moves = told_list(status_, "switchovers");
  if (moves.empty()) return;
  heading("SWITCHOVERS");
  bool told_last = false;
  for (const json& move : moves) {
    const json& steps = told_list(move, "steps");
    const auto began = steps.empty() ? std::nullopt : told_number(steps.front(), "time_ms");
    const std::string name = or_unknown(told_text(move, "link"));
    const std::string trouble = bare_text(told_text(move, "trouble"));
    if (told_flag(move, "over") == false) {
      wrapped("",
              fmt::format("{}: {} under way{}", name, kind_of(move),
                          began ? " for " + lasting_text(elapsed_ms(now_, *began)) : ""),
              TopMark::warn);
      if (!trouble.empty()) wrapped("  ", trouble, TopMark::stop);
      add_steps(move);
    } else if (!std::exchange(told_last, true)) {
      const auto still = told_number(move, "stand_still_ms");
      const std::string ended = steps.empty() ? not_known : phase_text(steps.back());
      wrapped("", fmt::format("the last: {} of {}, began {}, {}{}", kind_of(move), name,
                              began ? clock_text(*began, now_) : not_known,
                              trouble.empty() ? ended : trouble,
                              still ? ", stand-still " + duration_text(still) : ""));
    }
  }
}

// Each with how long it lasted; of the last one the clock runs.
void TopPicture::add_steps(const json& move) {
  const json& steps = told_list(move, "steps");
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto at = told_number(steps[i], "time_ms");
    std::string times;
    if (at && i + 1 == steps.size()) {
      times = fmt::format(" at {}, for {} by now", clock_text(*at, now_),
                          lasting_text(elapsed_ms(now_, *at)));
    } else if (at) {
      const auto next = told_number(steps[i + 1], "time_ms");
      times = fmt::format(" at {}, for {}", clock_text(*at, now_),
                          next ? duration_text(elapsed_ms(*next, *at)) : not_known);
    }
    const std::string meaning = meaning_of(told_text(steps[i], "phase"));
    wrapped(fmt::format("  {}. ", i + 1),
            phase_text(steps[i]) + times + (meaning.empty() ? "" : ": " + meaning));
  }
}

// By whole seconds, so that rows do not jump with every record.
void TopPicture::add_groups() {
  const json& told = told_list(status_, "groups");
  if (told.empty()) return;
  heading("GROUPS, THE FURTHEST BEHIND FIRST");
  std::vector<const json*> groups;
  for (const json& group : told) groups.push_back(&group);
  std::ranges::sort(groups, [](const json* a, const json* b) {
    const int64_t behind_a = told_number(*a, "lag_ms").value_or(0) / 1000;
    const int64_t behind_b = told_number(*b, "lag_ms").value_or(0) / 1000;
    if (behind_a != behind_b) return behind_a > behind_b;
    return told_text(*a, "name") < told_text(*b, "name");
  });
  const size_t count = std::min(groups.size(), shown_groups);
  Rows rows = {{"GROUP", "HOME", "LAG", "RECORDS"}};
  for (size_t i = 0; i < count; ++i) {
    const json& group = *groups[i];
    const std::string owner = told_text(group, "owned_by");
    rows.push_back({or_unknown(told_text(group, "name")),
                    or_unknown(told_text(group, "site")) +
                        (owner.empty() || owner == "clients" ? "" : ", follows by " + owner),
                    duration_text(told_number(group, "lag_ms")),
                    grouped_text(told_number(group, "lag_records"))});
  }
  grid({{.free = true}, {.free = true}, {.right = true}, {.right = true}}, std::move(rows),
       {TopMark::quiet});
  const int64_t all = std::max(told_number(status_, "groups_count").value_or(0),
                               static_cast<int64_t>(groups.size()));
  const int64_t more = all - static_cast<int64_t>(count);
  if (more > 0) line(count_text(more, "more group") + ": isthmus group list", TopMark::quiet);
}

// --- a broker, a mirror --------------------------------------------------------------------

void TopPicture::add_broker() {
  heading("THIS BROKER");
  const auto number = told_number(status_, "number"), node = told_number(status_, "node_id");
  const auto old = told_number(status_, "metadata_old_since_ms");
  const json& moves = told_object(status_, "reassignments");
  const auto cuts = static_cast<int64_t>(told_list(status_, "cuts").size());
  auto counted = [&](const char* member) { return grouped_text(told_number(status_, member)); };
  grid({{}, {.free = true}},
       {{"Cluster",
         or_unknown(told_text(status_, "cluster")) + (number ? fmt::format(" ({})", *number) : "")},
        {"Node", node ? std::to_string(*node) : not_known},
        {"Brokers", counted("brokers")},
        {"Topics", counted("topics")},
        {"Links", counted("links")},
        {"Connections", counted("connections")},
        {"Offline", count_text(told_number(status_, "partitions_offline"), "partition")},
        {"Cut", count_text(told_number(status_, "partitions_cut").value_or(cuts), "partition")},
        {"Moving", moves.empty()
                       ? not_known
                       : fmt::format("{}, {} led here, {} to go",
                                     count_text(told_number(moves, "partitions"), "partition"),
                                     grouped_text(told_number(moves, "led_here")),
                                     bytes_text(told_number(moves, "bytes_to_go")))},
        {"Metadata", old ? "old since " + clock_text(*old, now_) : "current"},
        {"Cluster id", or_unknown(told_text(status_, "cluster_id"))}});
}

void TopPicture::add_mirrored(const std::string& name, const json& link) {
  const auto attached = told_flag(link, "attached");
  wrapped("",
          fmt::format("{}: {}", name,
                      !attached   ? "not known"
                      : *attached ? "attached"
                                  : "not attached"),
          !attached   ? TopMark::quiet
          : *attached ? TopMark::good
                      : TopMark::stop);
  auto number = [&](const char* member) { return told_number(link, member); };
  wrapped("  ", joined({attached == true ? lag_text(link) : "lag not known",
                        "median " + duration_text(number("lag_p50_ms")),
                        "99 % " + duration_text(number("lag_p99_ms"))},
                       ", "));
  wrapped("  ",
          joined({fmt::format("{} of {}", count_text(number("partitions"), "partition"),
                              count_text(number("topics"), "topic")),
                  grouped_text(number("failed")) + " not mirrored",
                  count_text(number("groups"), "group"), grouped_text(number("held")) + " held"},
                 ", "));
  wrapped("  ", fmt::format("copied {} in {}, epoch {}", bytes_text(number("bytes")),
                            count_text(number("requests"), "request"),
                            grouped_text(number("link_epoch"))));
  const json& access = told_object(link, "access");
  if (access.empty()) return;
  wrapped("  ", fmt::format("{}, {}, {} follow; {} wait to be removed",
                            count_text(told_number(access, "acls"), "ACL"),
                            count_text(told_number(access, "users"), "user"),
                            count_text(told_number(access, "quotas"), "quota"),
                            grouped_text(told_number(access, "waiting"))));
}

}  // namespace

std::vector<TopLine> top_view(const TopHeard& heard, const TopLook& look) {
  if (!heard.status.is_object()) {
    const bool is_lost = !heard.lost.empty();
    const std::string said = is_lost ? "No answer: " + heard.lost : "Nothing was heard so far.";
    std::vector<TopLine> lines;
    for (std::string& each : wrapped_text("", shown_text(said, look), look)) {
      lines.push_back({std::move(each), is_lost ? TopMark::stop : TopMark::quiet});
    }
    return lines;
  }
  const auto troubles = troubles_of(heard.status);
  TopPicture picture(heard.status, look);
  picture.add_head(heard, troubles);
  picture.add_troubles(troubles);
  picture.add_role();
  return picture.take();
}

std::vector<TopLine> fit_rows(std::vector<TopLine> lines, size_t rows) {
  if (lines.size() <= rows) return lines;
  if (rows == 0) return {};
  const size_t more = lines.size() - rows + 1;
  lines.resize(rows - 1);
  lines.push_back({fmt::format("{} more lines", more), TopMark::quiet});
  return lines;
}

bool is_wrong(const TopHeard& heard) {
  return !heard.status.is_object() || is_old(heard) || !troubles_of(heard.status).empty();
}

}  // namespace isthmus::cli
