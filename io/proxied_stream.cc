#include "io/proxied_stream.h"

#include <vector>

namespace isthmus::io {

namespace {

class ProxiedStream final : public Stream {
 public:
  ProxiedStream(std::unique_ptr<Stream> line, Address source)
      : line_(std::move(line)), source_(std::move(source)) {}

  Task<Result<size_t>> read_some(MutableBytes into) override { return line_->read_some(into); }
  Task<Result<void>> write(Rope rope) override { return line_->write(std::move(rope)); }
  void write_now(Bytes bytes) override { line_->write_now(bytes); }
  void close() override { line_->close(); }
  const Address& peer() const override { return source_; }
  const TlsPeer* tls() const override { return line_->tls(); }
  uint64_t delivered() const override { return line_->delivered(); }

 private:
  const std::unique_ptr<Stream> line_;
  const Address source_;
};

}  // namespace

Task<Result<ProxyHeader>> read_proxy_header(Stream& stream) {
  std::vector<uint8_t> header(proxy_header_start);
  size_t arrived = 0;
  while (arrived < header.size()) {
    auto n = co_await stream.read_some(MutableBytes(header).subspan(arrived));
    if (!n) co_return fail(n.error());
    if (*n == 0) co_return fail(Error::closed("it closed the connection in its PROXY header"));
    arrived += *n;
    auto good = check_proxy_header(Bytes(header).first(arrived));
    if (!good) co_return fail(good.error());
    if (arrived != proxy_header_start) continue;
    auto size = proxy_header_size(header);
    if (!size) co_return fail(size.error());
    header.resize(*size);
  }
  co_return parse_proxy_header(header);
}

std::unique_ptr<Stream> as_proxied(std::unique_ptr<Stream> stream, Address source) {
  return std::make_unique<ProxiedStream>(std::move(stream), std::move(source));
}

}  // namespace isthmus::io
