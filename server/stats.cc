#include "server/stats.h"

#include <string>

namespace isthmus::server {

void ApiStats::answered(io::Duration took, uint64_t bytes) {
  seconds.observe(took);
  response_bytes += bytes;
}

void ApiStats::add(const ApiStats& other) {
  requests += other.requests;
  request_bytes += other.request_bytes;
  response_bytes += other.response_bytes;
  seconds.add(other.seconds);
  for (const auto& [code, times] : other.errors) errors[code] += times;
}

ApiStats& ServerStats::arrived(kafka::RequestHeader& header, size_t bytes) {
  const bool known = kafka::find_api(header.api_key) != nullptr;
  ApiStats& api = apis_[known ? header.api_key : int16_t{-1}];
  ++api.requests;
  api.request_bytes += bytes;
  header.errors = &api.errors;
  return api;
}

void ServerStats::throttled(QuotaKind kind, io::Duration time, bool again) {
  Throttled& throttled = throttled_[static_cast<size_t>(kind)];
  if (!again) ++throttled.times;
  throttled.time += time;
}

void ServerStats::add(const ServerStats& other) {
  for (const auto& [key, api] : other.apis_) apis_[key].add(api);
  opened_ += other.opened_;
  refused_ += other.refused_;
  handshakes_ += other.handshakes_;
  failed_handshakes_ += other.failed_handshakes_;
  log_ins_ += other.log_ins_;
  refused_log_ins_ += other.refused_log_ins_;
  second_nonces_ += other.second_nonces_;
  for (size_t i = 0; i < quota_kinds; ++i) {
    throttled_[i].times += other.throttled_[i].times;
    throttled_[i].time += other.throttled_[i].time;
  }
}

void ServerStats::add_to(Samples& samples) const {
  for (const auto& [key, api] : apis_) {
    const kafka::ApiInfo* info = kafka::find_api(key);
    const std::string name(info == nullptr ? "unknown" : info->name);
    samples.add(metric::requests, static_cast<double>(api.requests), {name});
    samples.add(metric::request_bytes, static_cast<double>(api.request_bytes), {name});
    samples.add(metric::response_bytes, static_cast<double>(api.response_bytes), {name});
    samples.add(metric::request_seconds, api.seconds, {name});
    for (const auto& [code, times] : api.errors) {
      samples.add(metric::errors, static_cast<double>(times),
                  {name, std::string(kafka::error_name(code))});
    }
  }
  samples.add(metric::connections_opened, static_cast<double>(opened_));
  samples.add(metric::connections_refused, static_cast<double>(refused_));
  samples.add(metric::tls_handshakes, static_cast<double>(handshakes_), {"agreed"});
  samples.add(metric::tls_handshakes, static_cast<double>(failed_handshakes_), {"failed"});
  // A router counts none.
  if (log_ins_ + refused_log_ins_ > 0) {
    samples.add(metric::log_ins, static_cast<double>(log_ins_), {"accepted"});
    samples.add(metric::log_ins, static_cast<double>(refused_log_ins_), {"refused"});
    samples.add(metric::second_nonces, static_cast<double>(second_nonces_));
  }
  for (size_t i = 0; i < quota_kinds; ++i) {
    const Throttled& throttled = throttled_[i];
    if (throttled.times == 0) continue;
    const std::string quota(name_of(static_cast<QuotaKind>(i)));
    samples.add(metric::throttles, static_cast<double>(throttled.times), {quota});
    samples.add(metric::throttle_seconds, std::chrono::duration<double>(throttled.time).count(),
                {quota});
  }
}

}  // namespace isthmus::server
