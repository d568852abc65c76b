#include "process/fetch_url.h"

#include <httplib.h>

#include "io/real.h"
#include "process/config_file.h"

namespace isthmus::process {

namespace {

constexpr std::string_view file_scheme = "file://";
constexpr std::string_view https_scheme = "https://";
constexpr auto patience = std::chrono::seconds(5);

}  // namespace

std::string url_problem(const std::string& url) {
  if (url.starts_with("file:///")) return "";
  if (url.starts_with(https_scheme) && url.size() > https_scheme.size()) return "";
  return "\"" + url + "\" is neither file:///PATH nor https://HOST/PATH";
}

Result<std::string> fetch_url(const std::string& url, size_t at_most) {
  if (url.starts_with(file_scheme)) {
    auto text = read_config_file(url.substr(file_scheme.size()));
    if (text && text->size() > at_most) return fail(url + ": is too large");
    return text;
  }
  if (auto problem = url_problem(url); !problem.empty()) return fail(problem);
  const size_t slash = url.find('/', https_scheme.size());
  httplib::Client client(url.substr(0, slash));
  client.set_connection_timeout(patience);
  client.set_read_timeout(patience);
  client.enable_server_certificate_verification(true);
  std::string body;
  const std::string path = slash == std::string::npos ? "/" : url.substr(slash);
  const auto deadline = io::wall_time() + patience;  // of the whole
  auto answer = client.Get(path, [&](const char* data, size_t size) {
    body.append(data, std::min(size, at_most + 1 - std::min(body.size(), at_most + 1)));
    return body.size() <= at_most && io::wall_time() < deadline;
  });
  if (body.size() > at_most) return fail(url + ": is too large");
  if (!answer) return fail(url + ": " + httplib::to_string(answer.error()));
  if (answer->status != 200) return fail(url + ": answers " + std::to_string(answer->status));
  return body;
}

}  // namespace isthmus::process
