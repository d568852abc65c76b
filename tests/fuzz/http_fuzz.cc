// Requests at the admin port, by anybody who reaches it: what is understood is of one form, and
// lies within what has arrived.
#include "base/check.h"
#include "process/http_request.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace isthmus;
  const std::string_view bytes = as_text(Bytes(data, size));
  (void)process::parse_basic(bytes);
  const auto request = process::parse_http_request(bytes);
  if (!request) {
    CHECK(request.error().status >= 400, "a refusal is an error");
    return 0;
  }
  if (!*request) return 0;
  CHECK((*request)->head_size <= size, "the head has arrived");
  CHECK((*request)->body_size <= process::longest_http_body, "a body is small");
  CHECK((*request)->path.starts_with('/'), "a path begins at the root");
  CHECK((*request)->path.find_first_of("\r\n ?") == std::string::npos, "a path is one word");
  const auto again = process::parse_http_request(bytes.substr(0, (*request)->head_size));
  CHECK(again && *again, "nothing behind the head matters");
  return 0;
}
