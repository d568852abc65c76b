#include "bench/certificates.h"

#include <fstream>
#include <iterator>

namespace isthmus::bench {

namespace {

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  if (!file) give_up("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<const io::TlsContext> usable(io::TlsContext::Made made) {
  if (!made) give_up("TLS: " + made.error().text);
  return *std::move(made);
}

}  // namespace

std::shared_ptr<const io::TlsContext> listener_of(const Arguments& arguments) {
  const std::string certificate = arguments.text("certificate", "");
  if (certificate.empty()) return nullptr;
  const io::TlsMaterial material{content_of(certificate), content_of(arguments.text("key")), ""};
  return usable(
      io::TlsContext::listener(material, io::ClientAuth::none, std::chrono::system_clock::now()));
}

std::shared_ptr<const io::TlsContext> dialer_of(const Arguments& arguments) {
  const std::string ca = arguments.text("ca", "");
  if (ca.empty()) return nullptr;
  const io::TlsMaterial material{"", "", content_of(ca)};
  return usable(io::TlsContext::dialer(material, true, std::chrono::system_clock::now()));
}

}  // namespace isthmus::bench
