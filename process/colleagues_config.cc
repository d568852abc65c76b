#include "process/colleagues_config.h"

#include <fmt/core.h>

#include <algorithm>

#include "io/certificate_subject.h"
#include "process/config_file.h"

namespace isthmus::process {

namespace {

bool is_for_brokers(const ListenerConfig& listener) {
  return std::ranges::find(listener.peers, Peer::brokers) != listener.peers.end();
}

std::optional<Problem> alone_problem(const BrokerConfig& c) {
  constexpr const char* alone = "has no use: a cluster whose metadata are embedded has one broker";
  if (c.broker.colleagues) return Problem{"broker.colleagues", alone};
  if (c.broker.inter_broker_listener.empty()) return std::nullopt;
  return Problem{"broker.inter.broker.listener.name", alone};
}

std::optional<Problem> no_listener(const BrokerConfig& c) {
  const std::string& name = c.broker.inter_broker_listener;
  if (!name.empty()) {
    return Problem{"broker.inter.broker.listener.name",
                   fmt::format("\"{}\" is not among the listeners with for: [brokers]", name)};
  }
  return Problem{"listeners",
                 "none is for the other brokers of the cluster; add for: [brokers] to one that "
                 "only they reach"};
}

Problem no_log_in(const BrokerConfig& c, const std::string& listener) {
  return {c.broker.colleagues ? "broker.colleagues" : "broker",
          fmt::format("the other brokers want a log-in at {}: let it be security.protocol: SSL, "
                      "where certificates say who somebody is, or say whom to log in as in "
                      "colleagues (security.protocol, tls, sasl.mechanism, username, password)",
                      listener)};
}

Result<std::string> subject_of(const std::string& file) {
  auto text = read_config_file(file);
  if (!text) return fail(text.error());
  auto subject = io::certificate_subject(*text);
  if (!subject) return fail(file + ": " + subject.error().text);
  return *subject;
}

bool shows_certificate(const BrokerConfig& c, const DialSecurity& dial) {
  return !dial.tls.empty() && !c.tls.at(dial.tls).certificate.empty();
}

// Their listener is taken to be like the own one; but TLS may begin before it, in a tunnel.
std::optional<Problem> unlike_listener(const BrokerConfig& c, const ListenerConfig& listener) {
  const DialSecurity dial = dial_security_of(c);
  const ListenerSecurity& theirs = listener.security;
  if (theirs.asks_for_log_in() && !dial.logs_in()) return no_log_in(c, listener.name);
  const std::string protocol = "broker.colleagues.security.protocol";
  if (dial.logs_in() && !theirs.asks_for_log_in()) {
    return Problem{protocol,
                   fmt::format("logs in, and {}, where the other brokers are reached, asks nobody "
                               "to",
                               listener.name)};
  }
  if (!theirs.is_encrypted()) return std::nullopt;
  if (!dial.is_encrypted()) {
    return Problem{protocol, fmt::format("is plain text, and {}, where the other brokers are "
                                         "reached, is encrypted",
                                         listener.name)};
  }
  const bool must_show = theirs.effective_client_auth(true) == io::ClientAuth::required;
  if (!must_show || shows_certificate(c, dial)) return std::nullopt;
  return Problem{"broker.colleagues.tls",
                 fmt::format("shows no certificate, and {}, where the other brokers are reached, "
                             "wants one",
                             listener.name)};
}

}  // namespace

const ListenerConfig* listener_for_brokers(const BrokerConfig& c) {
  const std::string& name = c.broker.inter_broker_listener;
  const auto found = std::ranges::find_if(c.listeners, [&](const ListenerConfig& listener) {
    return is_for_brokers(listener) && (name.empty() || listener.name == name);
  });
  return found == c.listeners.end() ? nullptr : &*found;
}

DialSecurity dial_security_of(const BrokerConfig& c) {
  if (c.broker.colleagues) return *c.broker.colleagues;
  DialSecurity security;
  const ListenerConfig* listener = listener_for_brokers(c);
  if (listener == nullptr || !listener->security.is_encrypted()) return security;
  security.protocol = SecurityProtocol::ssl;
  security.tls = listener->security.tls;
  return security;
}

Result<kafka::Principal> principal_at_colleagues(const BrokerConfig& c) {
  const DialSecurity dial = dial_security_of(c);
  if (dial.logs_in()) {
    if (dial.mechanism == kafka::Mechanism::oauthbearer) return fail("its token says who it is");
    return kafka::Principal{.name = dial.username};
  }
  const ListenerConfig* listener = listener_for_brokers(c);
  const bool is_asked = listener != nullptr && listener->security.is_encrypted() &&
                        listener->security.effective_client_auth(true) != io::ClientAuth::none;
  if (!is_asked || !shows_certificate(c, dial)) return kafka::Principal{};
  auto subject = subject_of(c.tls.at(dial.tls).certificate);
  if (!subject) return fail(subject.error());
  auto principal = principal_of(listener->security)(*subject);
  if (!principal) return fail("certificate of " + *subject + ": " + principal.error().text);
  return principal;
}

std::optional<Problem> colleagues_problem(const BrokerConfig& c) {
  if (!c.broker.zookeeper) return alone_problem(c);
  const ListenerConfig* listener = listener_for_brokers(c);
  if (listener == nullptr) return no_listener(c);
  if (c.broker.colleagues) {
    auto problem = problem_of(*c.broker.colleagues, c.tls, "broker.colleagues");
    if (problem) return problem;
  }
  return unlike_listener(c, *listener);
}

std::optional<Problem> unnamed_at_colleagues(const BrokerConfig& c) {
  if (!c.broker.zookeeper || c.broker.authorizer != AuthorizerKind::acls) return std::nullopt;
  if (dial_security_of(c).mechanism == kafka::Mechanism::oauthbearer) return std::nullopt;
  const auto who = principal_at_colleagues(c);
  if (!who) {
    return Problem{"broker", "the other brokers will refuse this one: " + who.error().text};
  }
  const std::string name = who->to_string();
  const auto& named = c.broker.super_users;
  if (std::ranges::find(named, name) != named.end()) return std::nullopt;
  return Problem{"broker.super.users",
                 fmt::format("does not name {}, whom the other brokers take this one for: without "
                             "an ACL for CLUSTER_ACTION on the cluster they refuse it",
                             name)};
}

}  // namespace isthmus::process
