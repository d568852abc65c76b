// call_pipelined: many small questions to one broker at the price of a few round trips.
//
// A free coroutine on the connection's loop; the connection outlives it by being shared.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "client/connection.h"

namespace isthmus::client {

// Keeps up to `window` of the requests under way and gives the answers in their order. Each request
// has `patience` from when it is sent, not from when its turn is waited for. The first error ends
// it: what was sent behind that may have taken effect. REQUIRES: `version` is common to both sides.
template <typename Request>
io::Task<Result<std::vector<typename Request::Response>>> call_pipelined(
    std::shared_ptr<Connection> connection, std::vector<Request> requests, int16_t version,
    size_t window, io::Duration patience) {
  std::deque<io::Task<Result<Slice>>> under_way;
  std::vector<typename Request::Response> answers;
  size_t next = 0;
  while (answers.size() < requests.size()) {
    for (; next < requests.size() && under_way.size() < window; ++next) {
      kafka::Writer writer;
      requests[next].encode(writer, version);
      RawRequest raw{static_cast<int16_t>(Request::api_key), version, std::nullopt,
                     std::move(writer).finish()};
      const io::Instant deadline = io::Loop::current()->now() + patience;
      under_way.push_back(connection->call_raw(std::move(raw), deadline));
    }
    auto answer = co_await under_way.front();
    under_way.pop_front();
    if (!answer) co_return fail(answer.error());
    auto response = decode_response<typename Request::Response>(std::move(*answer), version);
    if (!response) co_return fail(response.error());
    answers.push_back(std::move(*response));
  }
  co_return answers;
}

}  // namespace isthmus::client
