// HttpRequest: one request of HTTP/1 (RFC 9112), as far as the admin port needs it: what is asked
// for and who says so. Headers that mean nothing here are checked for their form and dropped.
//
// Pure: bytes in, a request or a refusal out. Strict where lenience is how servers are fooled: one
// way to end a line, no folded headers, no transfer codings, nothing of these twice.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace isthmus::process {

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // "/metrics", without a query
  std::string authorization;
  std::string host;      // "router:9646", as who asks calls this port
  std::string origin;    // of a browser: whose page asks, "http://router:9646"; or empty
  size_t head_size = 0;  // bytes of the request line and the headers
  size_t body_size = 0;  // bytes that follow them

  // Asks and changes nothing.
  bool is_safe() const { return method == "GET" || method == "HEAD"; }
  // A browser asks for another site's page, with whatever log-in it remembers for this port.
  bool is_of_another_site() const;
};

struct HttpRefusal {
  int status = 400;
  const char* text = "";
};

inline constexpr size_t longest_http_head = 8 * 1024;
inline constexpr size_t longest_http_body = 1024;

// Nothing: more has to arrive.
std::expected<std::optional<HttpRequest>, HttpRefusal> parse_http_request(std::string_view bytes);

struct BasicCredentials {
  std::string user;
  std::string password;
};
// Of the value of Authorization (RFC 7617); nothing where it is something else.
std::optional<BasicCredentials> parse_basic(std::string_view authorization);

struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  const char* allow = "GET, HEAD";  // said with 405
};

// All of it: the connection ends behind it. HEAD is answered without the body.
std::string render(const HttpResponse& response, bool with_body);

}  // namespace isthmus::process
