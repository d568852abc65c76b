#include "process/tls_store.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "io/real.h"
#include "process/config_file.h"
#include "process/metrics.h"

namespace isthmus::process {

namespace {

constexpr auto look_every = std::chrono::seconds(5);
constexpr size_t largest_file = 4 << 20;  // all authorities of a system are a quarter of it
const Logger tls_log(LogComponent::tls);

Result<std::string> read_limited(const std::string& path) {
  std::error_code unknown;
  const auto size = std::filesystem::file_size(path, unknown);
  if (!unknown && size > largest_file) return fail(path + ": is too large for certificates");
  return read_config_file(path);
}

std::string key_of(const std::string& name, io::TlsProblem::Part part) {
  using Part = io::TlsProblem::Part;
  const char* key = part == Part::certificate ? "certificate" : part == Part::key ? "key" : "ca";
  return fmt::format("tls.{}.{}", name, key);
}

std::string text_of(const Problem& problem) { return problem.path + ": " + problem.text; }

bool operator==(const io::TlsMaterial& a, const io::TlsMaterial& b) {
  return a.certificate == b.certificate && a.key == b.key && a.ca == b.ca;
}

}  // namespace

std::expected<io::TlsMaterial, Problem> TlsStore::read(const std::string& name) const {
  io::TlsMaterial material;
  if (name.empty()) return material;
  const TlsConfig& config = configs_.at(name);
  const auto problem = [&](const char* key, const Error& error) {
    return std::unexpected(Problem{fmt::format("tls.{}.{}", name, key), error.text});
  };
  if (!config.certificate.empty()) {
    auto certificate = read_limited(config.certificate);
    if (!certificate) return problem("certificate", certificate.error());
    auto key = config.key.read();
    if (!key) return problem("key", key.error());
    material.certificate = std::move(*certificate);
    material.key = std::move(*key);
  }
  if (!config.ca.empty()) {
    auto ca = read_limited(config.ca);
    if (!ca) return problem("ca", ca.error());
    material.ca = std::move(*ca);
  }
  return material;
}

std::expected<TlsIdentity, Problem> TlsStore::give(Given given, Time now) {
  auto material = read(given.name);
  if (!material) return std::unexpected(material.error());
  auto made = given.make(*material, now);
  if (!made)
    return std::unexpected(Problem{key_of(given.name, made.error().part), made.error().text});
  given.identity = std::make_shared<Published<io::TlsContext>>(std::move(*made));
  given.material = std::move(*material);
  warn_before_end(given, now);
  given_.push_back(std::move(given));
  return given_.back().identity;
}

Result<TlsIdentity> TlsStore::listen(const ListenerSecurity& security, bool serves_private_api,
                                     Time now) {
  if (!security.is_encrypted()) return nullptr;
  Given given{.name = security.tls};
  const io::ClientAuth auth = security.effective_client_auth(serves_private_api);
  given.make = [auth](const io::TlsMaterial& material, Time at) {
    return io::TlsContext::listener(material, auth, at);
  };
  auto given_out = give(std::move(given), now);
  if (!given_out) return fail(text_of(given_out.error()));
  return *given_out;
}

Result<TlsIdentity> TlsStore::dial(const DialSecurity& security, Time now) {
  if (!security.is_encrypted()) return nullptr;
  auto given_out = dialer(security.tls, security.verify_host, now);
  if (!given_out) return fail(text_of(given_out.error()));
  return *given_out;
}

std::expected<TlsIdentity, Problem> TlsStore::dialer(const std::string& name, bool verify_host,
                                                     Time now) {
  Given given{.name = name};
  given.make = [verify_host](const io::TlsMaterial& material, Time at) {
    return io::TlsContext::dialer(material, verify_host, at);
  };
  return give(std::move(given), now);
}

void TlsStore::renew(Given& given, Time now) {
  auto material = read(given.name);
  std::optional<Problem> problem;
  if (!material) {
    problem = material.error();
  } else if (*material != given.material) {
    auto made = given.make(*material, now);
    if (made) {
      given.identity->store(std::move(*made));
      given.material = std::move(*material);
      given.near_its_end = false;
      tls_log.info("tls={} its files have changed; in force from the next connection on",
                   given.name);
    } else {
      problem = Problem{key_of(given.name, made.error().part), made.error().text};
    }
  }
  const std::string trouble = problem ? text_of(*problem) : "";
  if (trouble != given.trouble && problem) {
    tls_log.error("{}; what was there before stays in force", trouble);
  }
  given.trouble = trouble;
}

void TlsStore::warn_before_end(Given& given, Time now) const {
  const Time end = given.identity->load()->not_after();
  if (given.near_its_end || end == Time::max() || end - now > warn_before) return;
  given.near_its_end = true;
  const auto days = std::chrono::duration_cast<std::chrono::days>(end - now).count();
  tls_log.warn("tls={} its certificate ends in {} days, on {:%Y-%m-%d}: renew {}", given.name,
               std::max<int64_t>(0, days), fmt::gmtime(Time::clock::to_time_t(end)),
               configs_.at(given.name).certificate);
}

void TlsStore::look(Time now) {
  for (Given& given : given_) {
    if (given.name.empty()) continue;
    renew(given, now);
    warn_before_end(given, now);
  }
}

io::Task<void> TlsStore::watch(io::Event& stop) {
  io::Loop& loop = stop.loop();
  while (!given_.empty() && !stop.closed()) {
    co_await stop.wait_until(loop.now() + look_every);
    if (!stop.closed()) look(time_of(loop));
  }
}

void TlsStore::add_to(Samples& samples) const {
  std::map<std::string, Time> ends;
  for (const Given& given : given_) {
    const Time end = given.identity->load()->not_after();
    if (end != Time::max()) ends[given.name] = end;
  }
  for (const auto& [name, end] : ends) {
    samples.add(metric::certificate_end, static_cast<double>(Time::clock::to_time_t(end)), {name});
  }
}

std::vector<CertificateEnd> certificate_ends(const TlsConfigs& configs) {
  using Part = io::TlsProblem::Part;
  std::vector<CertificateEnd> found;
  const auto look = [&found](const std::string& name, Part part, const std::string& file) {
    if (file.empty()) return;
    auto text = read_limited(file);
    if (!text) return;
    auto ends = io::certificate_ends(part, *text);
    if (!ends) return;
    const auto end = part == Part::ca ? std::ranges::max(*ends) : std::ranges::min(*ends);
    found.push_back({key_of(name, part), file, end});
  };
  for (const auto& [name, config] : configs) {
    look(name, Part::certificate, config.certificate);
    look(name, Part::ca, config.ca);
  }
  return found;
}

std::optional<Problem> problem_of(const TlsConfigs& configs) {
  for (const auto& [name, config] : configs) {
    const std::string path = "tls." + name;
    if (!config.key.file.empty() && !config.key.env.empty()) {
      return Problem{path + ".key", "says both file and env; keep one"};
    }
    if (config.certificate.empty() && config.ca.empty()) {
      return Problem{path, "says neither certificate nor ca"};
    }
    if (!config.certificate.empty() && !config.key.is_set()) {
      return Problem{path, "has a certificate and no key; add key: {file: PATH}"};
    }
    if (config.certificate.empty() && config.key.is_set()) {
      return Problem{path + ".key", "has no certificate beside it; add certificate: PATH"};
    }
    TlsStore store(configs);
    auto made = store.dialer(name, true, io::wall_time());
    if (!made) return made.error();
  }
  return std::nullopt;
}

}  // namespace isthmus::process
