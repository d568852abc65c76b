#include "process/admin.h"

#include <httplib.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <optional>
#include <thread>

#include "base/printable.h"
#include "io/gate.h"
#include "process/metrics.h"

namespace isthmus::process {
namespace {

constexpr auto loop_answers_within = std::chrono::seconds(2);
constexpr const char* plain = "text/plain; charset=utf-8";

// httplib's own default also sets SO_REUSEPORT: a second process would share the port and take half
// of the questions, where it should say that the port is in use.
void set_socket_options(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

std::string text_of(const std::exception_ptr& escaped) {
  try {
    std::rethrow_exception(escaped);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown";
  }
}

bool answers(io::Loop& loop) {
  auto answer = std::make_shared<std::promise<void>>();
  std::future<void> answered = answer->get_future();
  loop.post([answer] { answer->set_value(); });
  return answered.wait_for(loop_answers_within) == std::future_status::ready;
}

// Nothing where the loop does not answer, or drops the question.
std::optional<Samples> ask(io::Loop& loop, const Measure& measure) {
  auto answer = std::make_shared<std::promise<Samples>>();
  std::future<Samples> answered = answer->get_future();
  loop.post([measure, answer] {
    measure([answer](Samples samples) { answer->set_value(std::move(samples)); });
  });
  answer.reset();
  if (answered.wait_for(loop_answers_within) != std::future_status::ready) return std::nullopt;
  try {
    return answered.get();
  } catch (const std::future_error&) {
    return std::nullopt;
  }
}

}  // namespace

struct Admin::Impl {
  httplib::Server server;
  std::thread thread;
  std::atomic<bool> ended = false;
  io::Address local;
};

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Admin>> Admin::start(const io::Address& bind, io::Loop& loop,
                                            const StatusBoard& board, Measure measure) {
  using httplib::Request;
  using httplib::Response;
  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  // One question per connection on two threads: an idle one keeps nobody out.
  server.new_task_queue = [] { return new httplib::ThreadPool(2); };
  server.set_keep_alive_max_count(1);
  server.set_read_timeout(std::chrono::seconds(5));
  server.set_write_timeout(std::chrono::seconds(5));
  server.set_payload_max_length(1024);
  server.set_socket_options(set_socket_options);
  server.set_exception_handler([](const Request&, Response& response, std::exception_ptr escaped) {
    response.status = 500;
    response.set_content(printable(text_of(escaped)) + "\n", plain);
  });
  server.Get("/metrics", [&loop, &board, measure](const Request&, Response& response) {
    std::optional<Samples> samples = ask(loop, measure);
    if (!samples) {
      response.status = 503;
      return response.set_content("the loops do not answer\n", plain);
    }
    samples->add(metric::ready, board.read()->ready ? 1 : 0);
    samples->add(metric::escaped_exceptions, static_cast<double>(io::Gate::escaped()));
    samples->add(metric::overflowed_series, static_cast<double>(samples->beyond_limit()));
    add_process(*samples);
    response.set_content(render(*samples), "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/healthz", [&loop](const Request&, Response& response) {
    const bool healthy = answers(loop);
    response.status = healthy ? 200 : 503;
    response.set_content(healthy ? "ok\n" : "the main loop does not answer\n", plain);
  });
  server.Get("/readyz", [&board](const Request&, Response& response) {
    const std::shared_ptr<const Status> status = board.read();
    response.status = status->ready ? 200 : 503;
    std::string text = "ready";
    if (!status->degraded.empty()) text += ", degraded: " + status->degraded;
    response.set_content(printable(status->ready ? text : status->reason) + "\n", plain);
  });
  server.Get("/status", [&board](const Request&, Response& response) {
    response.set_content(board.read()->json, "application/json");
  });

  errno = 0;
  int port = bind.port;
  if (port == 0) {
    port = server.bind_to_any_port(bind.host);
  } else if (!server.bind_to_port(bind.host, port)) {
    port = -1;
  }
  if (port < 0)
    return fail(Error::io(errno != 0 ? errno : EADDRNOTAVAIL, "admin.bind " + bind.to_string()));
  impl->local = {bind.host, static_cast<uint16_t>(port)};
  impl->thread = std::thread([answering = impl.get()] {
    answering->server.listen_after_bind();
    answering->ended = true;
  });
  return std::unique_ptr<Admin>(new Admin(std::move(impl)));
}

Admin::~Admin() {
  // stop() before the thread has begun to listen would be forgotten.
  while (!impl_->server.is_running() && !impl_->ended) std::this_thread::yield();
  impl_->server.stop();
  impl_->thread.join();
}

const io::Address& Admin::local() const { return impl_->local; }

}  // namespace isthmus::process
