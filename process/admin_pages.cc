#include "process/admin_pages.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/json.h"
#include "base/printable.h"
#include "io/gate.h"
#include "process/metrics.h"
#include "process/page.h"

namespace isthmus::process {
namespace {

constexpr auto loop_answers_within = std::chrono::seconds(2);
constexpr int status_version = 1;
constexpr int most_noted = 1000;  // on their way to the role
constexpr std::string_view log_page = "/log";
constexpr std::string_view log_changes = "/log/";

// What `asked` makes on the loop, which gets a promise to keep. Nothing where the loop does not
// answer, or drops the promise.
template <typename T, typename Asked>
std::optional<T> ask(io::Loop& loop, Asked asked) {
  auto answer = std::make_shared<std::promise<T>>();
  std::future<T> answered = answer->get_future();
  loop.post([asked = std::move(asked), answer = std::move(answer)]() mutable {
    asked(std::move(answer));
  });
  if (answered.wait_for(loop_answers_within) != std::future_status::ready) return std::nullopt;
  try {
    return answered.get();
  } catch (const std::future_error&) {
    return std::nullopt;
  }
}

}  // namespace

HttpResponse AdminPages::metrics(Samples own) const {
  auto samples = ask<Samples>(loop_, [work = work_](auto answer) {
    work.measure([answer](Samples told) { answer->set_value(std::move(told)); });
  });
  if (!samples) return {.status = 503, .body = "the loops do not answer\n"};
  for (const auto& [metric, series] : own.all()) {
    for (const auto& [labels, value] : series) samples->add(*metric, value.number, labels);
  }
  samples->add(metric::ready, board_.read()->ready ? 1 : 0);
  samples->add(metric::escaped_exceptions, static_cast<double>(io::Gate::escaped()));
  samples->add(metric::overflowed_series, static_cast<double>(samples->beyond_limit()));
  add_process(*samples);
  return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = render(*samples)};
}

HttpResponse AdminPages::healthz() const {
  const auto answered = ask<bool>(loop_, [](auto answer) { answer->set_value(true); });
  if (answered) return {.body = "ok\n"};
  return {.status = 503, .body = "the main loop does not answer\n"};
}

HttpResponse AdminPages::readyz() const {
  const std::shared_ptr<const Status> status = board_.read();
  std::string text = "ready";
  if (!status->degraded.empty()) text += ", degraded: " + status->degraded;
  return {.status = status->ready ? 200 : 503,
          .body = printable(status->ready ? text : status->reason) + "\n"};
}

// The role's members behind those that are of every role.
HttpResponse AdminPages::status(Asked asked) const {
  const std::shared_ptr<const Status> said = board_.read();
  const auto age = std::chrono::duration_cast<io::milliseconds>(asked.at - said->at);
  nlohmann::json json = {{"version", status_version}, {"time_ms", asked.wall_ms},
                         {"pid", ::getpid()},         {"age_ms", std::max<int64_t>(0, age.count())},
                         {"ready", said->ready},      {"reason", said->reason},
                         {"degraded", said->degraded}};
  if (said->at == io::Instant{}) json["age_ms"] = nullptr;
  std::string text = write_json(json);
  if (said->json.size() > 2) {
    text.back() = ',';
    text += std::string_view(said->json).substr(1);
  }
  return {.type = "application/json", .body = std::move(text)};
}

HttpResponse AdminPages::reload() const {
  const auto done =
      ask<Result<void>>(loop_, [work = work_](auto answer) { answer->set_value(work.reload()); });
  if (!done) return {.status = 503, .body = "the main loop does not answer\n"};
  if (*done) return {.body = "reloaded\n"};
  return {.status = 409, .body = printable(done->error().text) + "\n"};
}

HttpResponse AdminPages::log(const HttpRequest& request) const {
  if (request.path == log_page) {
    if (request.is_safe()) return {.type = "application/json", .body = work_.logging.json()};
    return {.status = 405, .body = "POST /log/LEVEL or /log/COMPONENT=LEVEL\n"};
  }
  if (request.method != "POST") return {.status = 405, .body = "POST it\n", .allow = "POST"};
  auto change = parse_log_change(std::string_view(request.path).substr(log_changes.size()));
  if (!change) return {.status = 400, .body = printable(change.error().text) + "\n"};
  work_.logging.set(*change);
  return {.body = fmt::format("{}, {}\n", change->to_string(), until_reload)};
}

HttpResponse AdminPages::answer(const HttpRequest& request, Asked asked, Samples own) const {
  const std::string& path = request.path;
  if (path == "/reload") {
    if (request.method == "POST") return reload();
    return {.status = 405, .body = "POST it\n", .allow = "POST"};
  }
  if (path == log_page || path.starts_with(log_changes)) return log(request);
  const PageFile* file = find_page_file(path);
  const bool is_page = file != nullptr || path == "/metrics" || path == "/healthz" ||
                       path == "/readyz" || path == "/status";
  if (!is_page) return {.status = 404, .body = "there is no such page\n"};
  if (!request.is_safe()) return {.status = 405, .body = "this is to be read\n"};
  if (path == "/metrics") return metrics(std::move(own));
  if (path == "/healthz") return healthz();
  if (path == "/readyz") return readyz();
  if (path == "/status") return status(asked);
  return {.type = std::string(file->type), .body = std::string(file->body)};
}

void AdminPages::note(server::AuditEvent event) const {
  if (noted_->fetch_add(1) >= most_noted) {
    noted_->fetch_sub(1);
    return;
  }
  loop_.post([work = work_, event = std::move(event), noted = noted_]() mutable {
    noted->fetch_sub(1);
    work.note(std::move(event));
  });
}

}  // namespace isthmus::process
