// What every handler does with the bytes around its messages: decode a request's body, encode a
// response with its header. Plain functions; any loop.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "kafka/api.h"
#include "server/service.h"

namespace isthmus::server {

// Bytes behind a message that are ignored. Kafka ignores any number of them, and librdkafka 2.16
// sends three with Metadata v12 for all topics; but what is padded to megabytes is no client's.
inline constexpr size_t max_bytes_left_over = 64;

// The body as message T of the request's version; Error::corrupt if it does not decode: the caller
// ends the connection.
template <typename T>
Result<T> decode_request(const Request& request) {
  kafka::Reader reader(request.body);
  auto message = T::decode(reader, request.header.api_version);
  if (message && reader.remaining() > max_bytes_left_over) {
    return fail(Error::corrupt("the message is followed by " + std::to_string(reader.remaining()) +
                               " bytes that belong to nothing"));
  }
  return message;
}

// The complete payload of the answer to `header`: response header and message.
template <typename Response>
Rope encode_as_it_is(const kafka::RequestHeader& header, const Response& response) {
  kafka::Writer writer;
  writer.count_errors_in(header.errors);
  kafka::encode_response_header(writer, static_cast<kafka::ApiKey>(header.api_key),
                                header.api_version, header.correlation_id);
  response.encode(writer, header.api_version);
  return std::move(writer).finish();
}

// The same, with how long the client is held back, if it is; only then the message is copied.
template <typename Response>
Rope encode_response(const kafka::RequestHeader& header, const Response& response) {
  if constexpr (requires { response.throttle_time_ms; }) {
    const int32_t ms = header.throttle == nullptr ? 0 : header.throttle->throttle_time_ms();
    if (ms > response.throttle_time_ms) {
      Response told = response;
      told.throttle_time_ms = ms;
      return encode_as_it_is(header, told);
    }
  }
  return encode_as_it_is(header, response);
}

// What a broker behind has answered, without its correlation id, as the answer to `header`.
inline Rope with_correlation_id(const kafka::RequestHeader& header, Slice rest) {
  std::vector<uint8_t> bytes(sizeof header.correlation_id);
  store_be(bytes.data(), header.correlation_id);
  Rope rope(Slice::take(std::move(bytes)));
  rope.append(std::move(rest));
  return rope;
}

// A Reply that is ready.
template <typename Response>
Reply reply_with(const kafka::RequestHeader& header, const Response& response) {
  return io::ready(std::optional<Rope>(encode_response(header, response)));
}

// A Reply that sends nothing: after produce with acks=0, or when the connection ends.
inline Reply no_reply() { return io::ready(std::optional<Rope>()); }

// What a Reply returns when the response that is due cannot be had: the connection ends before it.
inline std::optional<Rope> lost(const Request& request, std::string why) {
  request.connection->end(std::move(why));
  return Rope();
}

}  // namespace isthmus::server
