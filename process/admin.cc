#include "process/admin.h"

#include <fmt/core.h>

#include <array>
#include <list>
#include <thread>

#include "base/crypto.h"
#include "base/log.h"
#include "base/printable.h"
#include "io/gate.h"
#include "io/real.h"
#include "io/tls_stream.h"
#include "process/admin_access.h"
#include "process/admin_pages.h"
#include "process/tls_store.h"
#include "server/complaints.h"

namespace isthmus::process {
namespace {

constexpr auto look_interval = std::chrono::seconds(5);
constexpr auto connection_limit = std::chrono::seconds(10);
constexpr size_t max_connections = 64;
constexpr auto accept_pause = std::chrono::milliseconds(200);
constexpr size_t longest_password = 1024;
// Who asks waits for the role; readers and disk have nothing to do here.
constexpr io::Runtime::Threads few{.disk = 1, .workers = 4, .readers = 1};
const Logger admin_log(LogComponent::admin);

AdminAccess::Key new_key() {
  AdminAccess::Key key;
  fill_random(key);
  return key;
}

Result<std::vector<AdminAccess::User>> read_users(const AdminConfig& config) {
  std::vector<AdminAccess::User> users;
  for (const auto& [name, user] : config.users) {
    AdminAccess::User& read = users.emplace_back(name, std::nullopt, user.role);
    if (!user.password.is_set()) continue;
    const std::string key = fmt::format("admin.users.{}.password: ", name);
    auto password = user.password.read();
    if (!password) return fail(key + password.error().text);
    if (password->empty() || password->size() > longest_password) {
      return fail(fmt::format("{}is empty, or longer than {} bytes", key, longest_password));
    }
    read.password = std::move(*password);
  }
  return users;
}

HttpResponse answer_of(AdminAccess::Verdict verdict) {
  using Verdict = AdminAccess::Verdict;
  switch (verdict) {
    case Verdict::granted: break;
    case Verdict::stranger: return {.status = 401, .body = "log in as one of admin.users\n"};
    case Verdict::refused: return {.status = 403, .body = "that is for an operator\n"};
    case Verdict::limited: return {.status = 429, .body = "too many log-ins failed; wait\n"};
  }
  return {};
}

HttpResponse answer_or_500(const AdminPages& pages, const HttpRequest& request,
                           AdminPages::Asked asked, const Samples& own) {
  try {
    return pages.answer(request, asked, own);
  } catch (const std::exception& escaped) {
    return {.status = 500, .body = printable(escaped.what()) + "\n"};
  }
}

}  // namespace

struct Admin::Impl {
  // A connection, from its accept to its end.
  struct Visit {
    Visit(std::list<Visit*>& all, io::Stream& s) : visits(all), stream(s) {
      place = visits.insert(visits.end(), this);
    }
    ~Visit() { visits.erase(place); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    void close() {
      closed = true;
      stream.close();
    }

    std::list<Visit*>& visits;
    io::Stream& stream;
    std::list<Visit*>::iterator place;
    bool closed = false;
  };

  Impl(const AdminConfig& c, const TlsConfigs& configs, io::Loop& role, const StatusBoard& board,
       AdminWork work)
      : config(c),
        pages(role, board, std::move(work)),
        tls(configs),
        access(new_key(), c.open),
        principal(principal_of(c.security)) {}

  Result<void> open();
  void look();
  io::Task<void> watch();
  io::Task<void> accept_all();
  io::Task<void> serve(std::unique_ptr<io::Stream> plain);
  io::Task<void> converse(io::Stream& stream);
  io::Task<HttpResponse> answer(const HttpRequest& request, const io::Stream& stream);
  io::Task<void> end();
  void make_room();
  std::optional<std::string> certified(const io::Stream& stream) const;
  void tell(const HttpRequest& request, const AdminAccess::Decision& decision,
            const std::string& host);
  void complain(const io::Address& peer, const std::string& why);
  Samples own_samples() const;

  const AdminConfig config;
  const AdminPages pages;
  io::Runtime runtime{1, few};
  io::Env& env = runtime.env();
  io::Loop& loop = env.main_loop();
  TlsStore tls;
  TlsIdentity identity;  // nullptr: plain
  AdminAccess access;
  const PrincipalOf principal;
  std::string trouble;  // of the passwords, which the log has told
  server::Complaints complaints;
  std::array<uint64_t, AdminAccess::verdicts> counts{};
  std::unique_ptr<io::Listener> listener;
  std::list<Visit*> visits;  // the oldest first
  io::Event stop{loop};
  io::Gate gate{loop}, ending{loop};
  std::thread thread;
};

Result<void> Admin::Impl::open() {
  auto users = read_users(config);
  if (!users) return fail(users.error());
  access.set_users(*users);
  auto shown = tls.listen(config.listener(), false, time_of(loop));
  if (!shown) return fail("admin: " + shown.error().text);
  identity = std::move(*shown);
  auto listening = env.network.listen(loop, *config.bind);
  if (!listening) return fail("admin.bind: " + listening.error().text);
  listener = std::move(*listening);
  return {};
}

void Admin::Impl::look() {
  tls.look(time_of(loop));
  auto users = read_users(config);
  if (users) {
    access.set_users(*users);
    trouble.clear();
  } else if (std::exchange(trouble, users.error().text) != users.error().text) {
    admin_log.error("{}; what was there before stays in force", trouble);
  }
}

io::Task<void> Admin::Impl::watch() {
  while (!stop.closed()) {
    co_await stop.wait_until(loop.now() + look_interval);
    if (!stop.closed()) look();
  }
}

io::Task<void> Admin::Impl::accept_all() {
  while (!stop.closed()) {
    auto stream = co_await listener->accept(loop);
    if (stream) {
      gate.spawn("admin connection", serve(std::move(*stream)));
      continue;
    }
    if (stop.closed() || stream.error().kind == Error::Kind::closed) break;
    co_await stop.wait_until(loop.now() + accept_pause);
  }
}

// It leaves the list when it has heard of it.
void Admin::Impl::make_room() {
  for (Visit* visit : visits) {
    if (visit->closed) continue;
    return visit->close();
  }
}

io::Task<void> Admin::Impl::serve(std::unique_ptr<io::Stream> plain) {
  if (visits.size() >= 2 * max_connections) co_return;  // those that are closed wait for the role
  if (visits.size() >= max_connections) make_room();
  const io::Address peer = plain->peer();
  std::unique_ptr<io::Stream> stream = std::move(plain);
  io::TlsStream* encrypted = nullptr;
  if (identity) {
    auto line =
        std::make_unique<io::TlsStream>(std::move(stream), identity->load(), "", env.workers);
    encrypted = line.get();
    stream = std::move(line);
  }
  Visit visit(visits, *stream);
  const io::Instant deadline = loop.now() + connection_limit;
  const auto timer = loop.run_at(deadline, [&visit] { visit.close(); });
  Result<void> agreed;
  if (encrypted != nullptr) agreed = co_await encrypted->handshake(deadline);
  if (agreed) {
    co_await converse(*stream);
  } else if (agreed.error().kind != Error::Kind::closed) {
    complain(peer, agreed.error().text);
  }
  loop.cancel(timer);
  stream->close();
}

io::Task<void> Admin::Impl::converse(io::Stream& stream) {
  std::string arrived;
  std::optional<HttpRequest> request;
  HttpResponse response;
  std::array<uint8_t, 2048> buffer;
  for (;;) {
    auto parsed = parse_http_request(arrived);
    if (!parsed) {
      response = {.status = parsed.error().status, .body = std::string(parsed.error().text) + "\n"};
      break;
    }
    request = std::move(*parsed);
    // A body says nothing here, but who sends one wants to have sent it before he reads.
    if (request && arrived.size() >= request->head_size + request->body_size) break;
    auto count = co_await stream.read_some(buffer);
    if (!count || *count == 0) co_return;
    arrived.append(reinterpret_cast<const char*>(buffer.data()), *count);
  }
  if (request) response = co_await answer(*request, stream);
  const bool with_body = !request || request->method != "HEAD";
  const std::string text = render(response, with_body);
  (void)co_await stream.write(Rope(Slice::copy_of(as_bytes(text))));
}

io::Task<HttpResponse> Admin::Impl::answer(const HttpRequest& request, const io::Stream& stream) {
  const std::string host = stream.peer().host;
  const auto decision = access.decide(request, certified(stream), host, loop.now());
  ++counts[static_cast<size_t>(decision.verdict)];
  tell(request, decision, host);
  if (decision.verdict != AdminAccess::Verdict::granted) co_return answer_of(decision.verdict);
  const AdminPages::Asked asked{loop.now(), loop.wall_ms()};
  auto work = [this, &request, asked, own = own_samples()] {
    return answer_or_500(pages, request, asked, own);
  };
  co_return co_await io::run_on(env.workers, std::move(work));
}

std::optional<std::string> Admin::Impl::certified(const io::Stream& stream) const {
  const io::TlsPeer* peer = stream.tls();
  if (peer == nullptr || !peer->subject) return std::nullopt;
  auto who = principal(*peer->subject);
  if (!who) return std::nullopt;
  return who->name;
}

// What was refused, and what an operator did.
void Admin::Impl::tell(const HttpRequest& request, const AdminAccess::Decision& decision,
                       const std::string& host) {
  using Verdict = AdminAccess::Verdict;
  const bool granted = decision.verdict == Verdict::granted;
  if (granted ? request.is_safe() : decision.why.empty()) return;
  const std::string what = request.method + " " + request.path.substr(0, 100);
  if (!granted) {
    complain({host, 0}, fmt::format("{} by user={}: {}", printable(what),
                                    printable(decision.user.substr(0, 100)), decision.why));
  }
  if (decision.verdict == Verdict::limited) return;
  server::AuditEvent event;
  event.time_ms = loop.wall_ms();
  const bool is_known = granted || decision.verdict == Verdict::refused;
  event.principal =
      kafka::Principal{.name = is_known && !decision.user.empty() ? decision.user : "ANONYMOUS"}
          .to_string();
  event.host = server::audit_text(host);
  event.listener = "admin";
  event.action = server::audit_text(what);
  event.detail = decision.why;
  if (!is_known && !decision.user.empty()) {
    event.resource_type = "user";
    event.resources.add(decision.user);
  }
  event.outcome = granted ? server::AuditOutcome::allowed : server::AuditOutcome::refused;
  pages.note(std::move(event));
}

void Admin::Impl::complain(const io::Address& peer, const std::string& why) {
  auto silent = complaints.next(why, loop.now());
  if (!silent || stop.closed()) return;
  admin_log.warn("{}: {}{}", peer.host, why, server::Complaints::others(*silent));
}

Samples Admin::Impl::own_samples() const {
  constexpr const char* names[] = {"answered", "stranger", "refused", "limited"};
  Samples samples;
  for (size_t i = 0; i < counts.size(); ++i) {
    samples.add(metric::admin_requests, static_cast<double>(counts[i]), {names[i]});
  }
  tls.add_to(samples);
  return samples;
}

io::Task<void> Admin::Impl::end() {
  stop.close();
  listener->close();
  for (Visit* visit : visits) visit->close();
  co_await gate.close();
  runtime.stop();
}

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Admin>> Admin::start(const AdminConfig& config, const TlsConfigs& tls,
                                            io::Loop& loop, const StatusBoard& board,
                                            AdminWork work) {
  auto impl = std::make_unique<Impl>(config, tls, loop, board, std::move(work));
  if (auto opened = impl->open(); !opened) return fail(opened.error());
  impl->loop.post([port = impl.get()] {
    port->gate.spawn("admin", port->accept_all());
    port->gate.spawn("admin secrets", port->watch());
  });
  impl->thread = std::thread([port = impl.get()] { port->runtime.run(); });
  return std::unique_ptr<Admin>(new Admin(std::move(impl)));
}

Admin::~Admin() {
  impl_->loop.post([port = impl_.get()] { port->ending.spawn("admin end", port->end()); });
  impl_->thread.join();
}

const io::Address& Admin::local() const { return impl_->listener->local(); }

void Admin::look() {
  impl_->loop.post([port = impl_.get()] {
    if (!port->stop.closed()) port->look();
  });
}

}  // namespace isthmus::process
