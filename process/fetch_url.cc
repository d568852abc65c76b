#include "process/fetch_url.h"

#include <httplib.h>

#include "io/real.h"
#include "process/config_file.h"

namespace isthmus::process {

namespace {

constexpr std::string_view file_scheme = "file://";
constexpr std::string_view https_scheme = "https://";
constexpr std::string_view http_scheme = "http://";
constexpr auto patience = std::chrono::seconds(5);

// Of a URL that has a scheme.
struct Location {
  std::string server;  // and the scheme
  std::string host;
  std::string port;  // as it is written; empty: that of the scheme
  std::string path;
};

Location locate(const std::string& url) {
  const size_t begin = url.find("://") + 3;
  const size_t slash = std::min(url.find('/', begin), url.size());
  const std::string authority = url.substr(begin, slash - begin);
  const size_t colon = authority.ends_with(']') ? std::string::npos : authority.rfind(':');
  return {url.substr(0, slash), authority.substr(0, colon),
          colon == std::string::npos ? "" : authority.substr(colon + 1),
          slash == url.size() ? "/" : url.substr(slash)};
}

// Whether there is a server at all, and no name of a user before it.
bool names_server(const Location& at) {
  constexpr size_t longest_port = 5;
  if (at.host.empty() || at.host.find('@') != std::string::npos) return false;
  const bool digits = at.port.find_first_not_of("0123456789") == std::string::npos;
  return digits && at.port.size() <= longest_port;
}

bool is_this_machine(const std::string& host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

std::string text_of(httplib::Error error, bool late, const std::string& ca) {
  using enum httplib::Error;
  if (error == Read || error == Canceled) {
    return late ? "does not answer in time" : "ends the connection before it has answered";
  }
  switch (error) {
    case Connection: return "cannot be reached";
    case Write: return "takes no request";
    case SSLConnection: return "does not speak TLS with us";
    case SSLServerVerification:
      return "its certificate is not for this host, or of no authority that " +
             (ca.empty() ? std::string("the system trusts") : "is in " + ca);
    case SSLLoadingCerts: return ca + " has no certificates in PEM that can be read";
    default: return httplib::to_string(error);
  }
}

// Sends the request. What is read ends at `at_most` bytes, and at a deadline.
Result<HttpAnswer> exchange(const std::string& url, httplib::Request request, size_t at_most,
                            const std::string& ca = "") {
  const Location location = locate(url);
  httplib::Client client(location.server);
  client.set_connection_timeout(patience);
  client.set_read_timeout(patience);
  client.set_write_timeout(patience);
  client.enable_server_certificate_verification(true);
  if (!ca.empty()) client.set_ca_cert_path(ca);
  HttpAnswer answer;
  const auto deadline = io::wall_time() + patience;  // of the whole
  request.path = location.path;
  request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    const size_t room = at_most + 1 - std::min(answer.text.size(), at_most + 1);
    answer.text.append(data, std::min(size, room));
    return answer.text.size() <= at_most && io::wall_time() < deadline;
  };
  const auto done = client.send(request);
  if (answer.text.size() > at_most) return fail(url + ": is too large");
  if (!done) {
    return fail(url + ": " + text_of(done.error(), io::wall_time() >= deadline, ca));
  }
  answer.status = done->status;
  return answer;
}

}  // namespace

std::string url_problem(const std::string& url) {
  if (url.starts_with("file:///")) return "";
  if (url.starts_with(https_scheme) && names_server(locate(url))) return "";
  return "\"" + url + "\" is neither file:///PATH nor https://HOST/PATH";
}

Result<std::string> fetch_url(const std::string& url, size_t at_most) {
  if (url.starts_with(file_scheme)) {
    auto text = read_config_file(url.substr(file_scheme.size()));
    if (text && text->size() > at_most) return fail(url + ": is too large");
    return text;
  }
  if (auto problem = url_problem(url); !problem.empty()) return fail(problem);
  httplib::Request request;
  request.method = "GET";
  auto answer = exchange(url, std::move(request), at_most);
  if (!answer) return fail(answer.error());
  if (answer->status != 200) return fail(url + ": answers " + std::to_string(answer->status));
  return std::move(answer->text);
}

std::string form_url_problem(const std::string& url) {
  const bool encrypted = url.starts_with(https_scheme);
  if (encrypted || url.starts_with(http_scheme)) {
    const Location at = locate(url);
    if (names_server(at) && (encrypted || is_this_machine(at.host))) return "";
  }
  return "\"" + url + "\" is not https://HOST/PATH (http:// is for this machine only)";
}

Result<HttpAnswer> post_form(const std::string& url, const std::string& authorization,
                             const std::string& form, size_t at_most) {
  if (auto problem = form_url_problem(url); !problem.empty()) return fail(problem);
  httplib::Request request;
  request.method = "POST";
  request.headers = {{"Authorization", authorization},
                     {"Accept", "application/json"},
                     {"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = form;
  return exchange(url, std::move(request), at_most);
}

Result<HttpAnswer> ask_http(const HttpQuestion& question, size_t at_most) {
  if (auto problem = form_url_problem(question.url); !problem.empty()) return fail(problem);
  httplib::Request request;
  request.method = question.method;
  if (!question.authorization.empty()) request.set_header("Authorization", question.authorization);
  return exchange(question.url, std::move(request), at_most, question.ca);
}

}  // namespace isthmus::process
