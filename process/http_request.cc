#include "process/http_request.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/bytes.h"
#include "base/crypto.h"

namespace isthmus::process {

namespace {

constexpr std::string_view line_end = "\r\n";

std::unexpected<HttpRefusal> refused(int status, const char* text) {
  return std::unexpected(HttpRefusal{status, text});
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, {}, lower, lower);
}

constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
           token_marks.find(c) != token_marks.npos;
  });
}

bool is_visible(std::string_view text, bool with_space) {
  return std::ranges::all_of(text, [with_space](char c) {
    return (c > ' ' && c != 0x7f) || (with_space && (c == ' ' || c == '\t')) ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::expected<void, HttpRefusal> read_request_line(std::string_view line, HttpRequest& request) {
  const size_t first = line.find(' ');
  const size_t second = first == line.npos ? first : line.find(' ', first + 1);
  if (second == line.npos) return refused(400, "that is no request of HTTP/1");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (!is_token(method) || !is_visible(target, false) || !target.starts_with('/')) {
    return refused(400, "that is no request of HTTP/1");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return refused(505, "HTTP/1.1 is spoken");
  request.method = method;
  request.path = target.substr(0, target.find('?'));
  return {};
}

struct Seen {
  bool authorization = false, length = false, host = false, origin = false;
};

std::expected<void, HttpRefusal> read_header(std::string_view line, HttpRequest& request,
                                             Seen& seen) {
  const size_t colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon))) {
    return refused(400, "a header is no header");
  }
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_visible(value, true)) return refused(400, "a header is no text");
  if (same_word(name, "transfer-encoding")) return refused(501, "transfer codings are not spoken");
  if (same_word(name, "authorization")) {
    if (std::exchange(seen.authorization, true)) return refused(400, "two Authorizations");
    request.authorization = value;
  } else if (same_word(name, "host")) {
    if (std::exchange(seen.host, true)) return refused(400, "two Hosts");
    request.host = value;
  } else if (same_word(name, "origin")) {
    if (std::exchange(seen.origin, true)) return refused(400, "two Origins");
    request.origin = value;
  } else if (same_word(name, "content-length")) {
    if (std::exchange(seen.length, true)) return refused(400, "two Content-Lengths");
    const char* end = value.data() + value.size();
    const auto [stopped, error] = std::from_chars(value.data(), end, request.body_size);
    if (value.empty() || stopped != end || error == std::errc::invalid_argument) {
      return refused(400, "Content-Length is no number");
    }
    if (error != std::errc{} || request.body_size > longest_http_body) {
      return refused(413, "nothing here takes so much");
    }
  }
  return {};
}

const char* reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}

}  // namespace

std::expected<std::optional<HttpRequest>, HttpRefusal> parse_http_request(std::string_view bytes) {
  const size_t end = bytes.substr(0, longest_http_head).find("\r\n\r\n");
  if (end == bytes.npos) {
    if (bytes.size() >= longest_http_head) return refused(431, "the headers are too long");
    return std::nullopt;
  }
  HttpRequest request{.head_size = end + 4};
  std::string_view rest = bytes.substr(0, end + line_end.size());
  const size_t first_end = rest.find(line_end);
  auto done = read_request_line(rest.substr(0, first_end), request);
  Seen seen;
  for (rest.remove_prefix(first_end + line_end.size()); done && !rest.empty();) {
    const size_t length = rest.find(line_end);
    done = read_header(rest.substr(0, length), request, seen);
    rest.remove_prefix(length + line_end.size());
  }
  if (!done) return std::unexpected(done.error());
  return request;
}

bool HttpRequest::is_of_another_site() const {
  if (origin.empty()) return false;
  const size_t scheme = origin.find("://");
  return scheme == origin.npos || host.empty() || origin.substr(scheme + 3) != host;
}

std::optional<BasicCredentials> parse_basic(std::string_view authorization) {
  constexpr std::string_view scheme = "basic ";
  if (!same_word(authorization.substr(0, scheme.size()), scheme)) return std::nullopt;
  const auto decoded = decode_base64(trimmed(authorization.substr(scheme.size())));
  if (!decoded) return std::nullopt;
  const std::string_view text = as_text(*decoded);
  const size_t colon = text.find(':');
  if (colon == text.npos) return std::nullopt;
  return BasicCredentials{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

// What a browser may load for a page of the port: what the port has, and nothing else.
constexpr const char* own_only =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string render(const HttpResponse& response, bool with_body) {
  std::string text = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n"
      "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
      "Content-Security-Policy: {}\r\n",
      response.status, reason_of(response.status), response.type, response.body.size(), own_only);
  if (response.status == 401) {
    text += "WWW-Authenticate: Basic realm=\"isthmus\", charset=\"UTF-8\"\r\n";
  }
  if (response.status == 405) text += fmt::format("Allow: {}\r\n", response.allow);
  if (response.status == 429) text += "Retry-After: 60\r\n";
  text += "\r\n";
  if (with_body) text += response.body;
  return text;
}

}  // namespace isthmus::process
