#include "zookeeper/connect_string.h"

#include <algorithm>

namespace isthmus::zookeeper {

namespace {

constexpr const char* default_port = ":2181";

std::string without_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

Result<io::Address> parse_server(const std::string& text) {
  if (text.empty()) return fail("a server is missing; write host:port, as zk1:2181");
  const bool has_port =
      text.find(':', text.starts_with('[') ? text.find(']') : 0) != std::string::npos;
  auto address = io::Address::parse(has_port ? text : text + default_port);
  const bool is_server = address && address->port != 0;
  if (!is_server) return fail("\"" + text + "\" is no server; write host:port, as zk1:2181");
  return address;
}

}  // namespace

Result<ConnectString> ConnectString::parse(std::string_view text) {
  ConnectString parsed;
  const size_t slash = std::min(text.find('/'), text.size());
  parsed.root = without_blanks(text.substr(slash));
  if (parsed.root == "/") parsed.root.clear();
  const std::string_view servers = text.substr(0, slash);
  for (size_t from = 0; from <= servers.size();) {
    const size_t comma = std::min(servers.find(',', from), servers.size());
    auto server = parse_server(without_blanks(servers.substr(from, comma - from)));
    if (!server) return fail(server.error());
    parsed.servers.push_back(std::move(*server));
    from = comma + 1;
  }
  if (parsed.root.find(',') != std::string::npos) {
    return fail("the folder stands once, behind the last server: zk1:2181,zk2:2181/isthmus");
  }
  if (parsed.root.empty()) return parsed;
  if (auto why = why_no_root(parsed.root)) return fail("the folder " + parsed.root + " " + *why);
  return parsed;
}

std::string ConnectString::to_string() const {
  std::string text;
  for (const auto& server : servers) text += (text.empty() ? "" : ",") + server.to_string();
  return text + root;
}

std::string ConnectString::servers_for_library() const {
  std::string text;
  // The last colon is the port's there, and brackets are part of a name.
  for (const auto& [host, port] : servers) {
    text += (text.empty() ? "" : ",") + host + ":" + std::to_string(port);
  }
  return text;
}

std::optional<std::string> why_no_root(const std::string& root) {
  if (!root.starts_with('/')) return "has to begin with /";
  if (root.ends_with('/')) return "must not end with /";
  for (size_t at = 0; at < root.size();) {
    const size_t next = std::min(root.find('/', at + 1), root.size());
    const std::string name = root.substr(at + 1, next - at - 1);
    if (name.empty() || name == "." || name == "..") return "has a folder without a name";
    at = next;
  }
  const bool is_printable =
      std::ranges::all_of(root, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (!is_printable) return "may have printable letters only";
  if (root == "/zookeeper" || root.starts_with("/zookeeper/")) return "is ZooKeeper's own folder";
  return std::nullopt;
}

}  // namespace isthmus::zookeeper
