// Connection: one broker, spoken to. It dials, learns what the broker understands (ApiVersions),
// and then carries any number of requests at once; replies come in the order of the requests, as
// Kafka promises, and are slices of what was read.
//
// A request has a deadline, which follows progress and not size: while bytes move for it (its own
// or earlier ones reach the broker, replies come in) it has as long again from then on, so a slow
// line or a large request is no failure. When it passes, the whole connection is closed: replies
// that may still come could not be told apart from late ones, and a broker that does not answer one
// request will not answer those behind it. Whether an unanswered request took effect is unknown.
// One whose deadline has passed before it is sent is not sent, and the connection stays.
//
// Owned by whoever speaks, on the loop it was opened on. Its conversations are counted by the gate
// given to open(), whose owner closes the connection before the gate.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "client/security.h"
#include "io/env.h"
#include "io/gate.h"
#include "kafka/api.h"
#include "kafka/principal.h"

namespace isthmus::client {

// Who asks, where that is not who dialled.
struct Person {
  kafka::Principal principal;
  std::string host;
  auto operator<=>(const Person&) const = default;
};

struct ConnectionOptions {
  std::string client_id = "isthmus";
  Security security = {};
  // A router asks for one of its clients on it; our brokers' inside listeners only.
  std::optional<Person> on_behalf_of = std::nullopt;
  size_t max_response_bytes = size_t{512} << 20;
  // Requests that wait to be written; room() waits for less.
  size_t max_outgoing_bytes = size_t{8} << 20;
};

// A request as another client encoded it.
struct RawRequest {
  int16_t api_key = 0;
  int16_t api_version = 0;
  std::optional<std::string> client_id;
  Rope body;                  // what follows the request header
  bool expects_reply = true;  // false for produce with acks=0: the answer is then an empty slice
};

class Connection {
 public:
  // REQUIRES: called on the loop of `gate`.
  static io::Task<Result<std::unique_ptr<Connection>>> open(io::Env& env, io::Gate& gate,
                                                            io::Address to,
                                                            ConnectionOptions options,
                                                            io::Instant deadline);
  ~Connection();  // as close()

  // The highest version that both sides speak, `at_most` at most; nullopt if there is none.
  std::optional<int16_t> version_for(kafka::ApiKey key, int16_t at_most = INT16_MAX) const;
  // What the broker said that it understands.
  std::optional<std::pair<int16_t, int16_t>> range_of(int16_t api_key) const;

  // One typed request. UNSUPPORTED_VERSION if no version is common to both.
  template <typename Request>
  io::Task<Result<typename Request::Response>> call(Request request, io::Instant deadline,
                                                    int16_t at_most = INT16_MAX);

  // The request takes its place in line when this is called, not when the task is awaited: so a
  // caller keeps an order among many. The answer is what follows the correlation id, which begins
  // with the tagged fields of the response header in flexible versions.
  io::Task<Result<Slice>> call_raw(RawRequest request, io::Instant deadline);

  // Waits until few enough bytes wait to be written. False if the connection is closed, or the
  // deadline passed.
  io::Task<bool> room(io::Instant deadline);

  void close();
  bool closed() const;
  // Its log-in holds for a while yet, or for ever: what is asked now will be answered. A broker
  // that limits sessions (KIP-368) wants its clients to log in again; ours dial anew instead, and
  // let what is under way end here.
  bool is_fresh() const;
  const io::Address& peer() const;
  // What the first question took to be answered: about the delay of the line, there and back.
  io::Duration round_trip() const;

 private:
  struct State;
  explicit Connection(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

// The message of an answer to call_raw().
template <typename Response>
Result<Response> decode_response(Slice answer, int16_t version) {
  kafka::Reader reader(std::move(answer));
  if (kafka::response_header_version(Response::api_key, version) == 1) reader.skip_tagged_fields();
  return Response::decode(reader, version);
}

Error no_common_version(kafka::ApiKey key, const io::Address& peer);

template <typename Request>
io::Task<Result<typename Request::Response>> Connection::call(Request request, io::Instant deadline,
                                                              int16_t at_most) {
  const auto version = version_for(Request::api_key, at_most);
  if (!version) co_return fail(no_common_version(Request::api_key, peer()));
  kafka::Writer writer;
  request.encode(writer, *version);
  RawRequest raw{static_cast<int16_t>(Request::api_key), *version, std::nullopt,
                 std::move(writer).finish()};
  auto answer = co_await call_raw(std::move(raw), deadline);
  if (!answer) co_return fail(answer.error());
  co_return decode_response<typename Request::Response>(std::move(*answer), *version);
}

}  // namespace isthmus::client
