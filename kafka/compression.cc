#include "kafka/compression.h"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "base/check.h"
#include "kafka/errors.h"

namespace isthmus::kafka {
namespace {

constexpr std::array<std::string_view, 5> names = {"none", "gzip", "snappy", "lz4", "zstd"};

Error broken(const char* codec, const char* why) {
  return Error::corrupt(std::string(codec) + ": " + why);
}

// A buffer that grows as output comes. It takes one byte more than the limit: a codec says that
// the end is reached only when it had room left.
class Output {
 public:
  Output(size_t expected, size_t limit)
      : limit_(limit), bytes_(std::clamp<size_t>(expected, 1, limit + 1)) {}
  // Room for more output, never none. REQUIRES: !passed_limit().
  MutableBytes room() {
    if (used_ == bytes_.size()) bytes_.resize(std::min(limit_ + 1, bytes_.size() * 2));
    return MutableBytes(bytes_).subspan(used_);
  }
  bool passed_limit() const { return used_ > limit_; }
  void used(size_t n) { used_ += n; }
  Slice take() && {
    bytes_.resize(used_);
    return Slice::take(std::move(bytes_));
  }
  Error too_large() const {
    return Error::kafka(static_cast<int>(ErrorCode::message_too_large),
                        "records decompress to more than " + std::to_string(limit_) + " bytes");
  }

 private:
  size_t limit_;
  size_t used_ = 0;
  std::vector<uint8_t> bytes_;
};

Result<Slice> gunzip(Bytes input, size_t limit) {
  z_stream z{};
  CHECK(inflateInit2(&z, 16 + MAX_WBITS) == Z_OK, "zlib: out of memory");
  std::unique_ptr<z_stream, decltype(&inflateEnd)> end(&z, inflateEnd);
  Output out(input.size() * 4, limit);
  z.next_in = const_cast<Bytef*>(input.data());
  z.avail_in = static_cast<uInt>(input.size());
  while (true) {
    const MutableBytes room = out.room();
    z.next_out = room.data();
    z.avail_out = static_cast<uInt>(std::min<size_t>(room.size(), 1u << 30));
    const uInt before = z.avail_out;
    const int status = inflate(&z, Z_NO_FLUSH);
    out.used(before - z.avail_out);
    if (out.passed_limit()) return fail(out.too_large());
    if (status == Z_STREAM_END) {
      if (z.avail_in == 0) return std::move(out).take();
      inflateReset(&z);  // gzip members may follow one another
      continue;
    }
    if (status != Z_OK) return fail(broken("gzip", z.msg ? z.msg : "the data ends too early"));
    if (z.avail_in == 0 && z.avail_out != 0) return fail(broken("gzip", "the data ends too early"));
  }
}

Slice gzip(Bytes input) {
  z_stream z{};
  CHECK(deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8,
                     Z_DEFAULT_STRATEGY) == Z_OK,
        "zlib: out of memory");
  std::unique_ptr<z_stream, decltype(&deflateEnd)> end(&z, deflateEnd);
  std::vector<uint8_t> out(deflateBound(&z, input.size()));
  z.next_in = const_cast<Bytef*>(input.data());
  z.avail_in = static_cast<uInt>(input.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END, "deflateBound() is a bound");
  out.resize(z.total_out);
  return Slice::take(std::move(out));
}

// xerial's framing: this magic, two version words, then blocks of {int32 size, raw snappy}.
constexpr std::array<uint8_t, 8> xerial_magic = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr size_t xerial_header_size = xerial_magic.size() + 8;
constexpr size_t xerial_block_size = 32 * 1024;

Result<void> unsnap_block(Bytes block, Output& out, std::vector<uint8_t>& scratch, size_t limit) {
  const auto* text = reinterpret_cast<const char*>(block.data());
  size_t size = 0;
  if (!snappy::GetUncompressedLength(text, block.size(), &size)) {
    return fail(broken("snappy", "a block without a length"));
  }
  if (size > limit) return fail(out.too_large());
  // A copy of at most 64 bytes takes 3 bytes of input.
  if (size / 64 > block.size()) return fail(broken("snappy", "a block's length is too great"));
  scratch.resize(size);
  if (!snappy::RawUncompress(text, block.size(), reinterpret_cast<char*>(scratch.data()))) {
    return fail(broken("snappy", "a block does not decompress"));
  }
  for (Bytes left = scratch; !left.empty();) {
    const MutableBytes room = out.room();
    const size_t n = std::min(room.size(), left.size());
    std::copy_n(left.begin(), n, room.begin());
    out.used(n);
    left = left.subspan(n);
  }
  if (out.passed_limit()) return fail(out.too_large());
  return {};
}

Result<Slice> unsnap(Bytes input, size_t limit) {
  Output out(input.size() * 3, limit);
  std::vector<uint8_t> scratch;
  const bool framed = input.size() >= xerial_header_size &&
                      std::equal(xerial_magic.begin(), xerial_magic.end(), input.begin());
  if (!framed) {
    if (auto done = unsnap_block(input, out, scratch, limit); !done) return fail(done.error());
    return std::move(out).take();
  }
  for (Bytes left = input.subspan(xerial_header_size); !left.empty();) {
    if (left.size() < 4) return fail(broken("snappy", "the data ends inside a block's length"));
    const auto size = load_be<uint32_t>(left.data());
    left = left.subspan(4);
    if (size > left.size()) return fail(broken("snappy", "the data ends inside a block"));
    auto done = unsnap_block(left.first(size), out, scratch, limit);
    if (!done) return fail(done.error());
    left = left.subspan(size);
  }
  return std::move(out).take();
}

Slice snap(Bytes input) {
  std::vector<uint8_t> out(xerial_header_size);
  std::copy(xerial_magic.begin(), xerial_magic.end(), out.begin());
  store_be<int32_t>(out.data() + 8, 1);   // version
  store_be<int32_t>(out.data() + 12, 1);  // lowest version that can read it
  while (!input.empty()) {
    const Bytes block = input.first(std::min(input.size(), xerial_block_size));
    input = input.subspan(block.size());
    const size_t at = out.size();
    out.resize(at + 4 + snappy::MaxCompressedLength(block.size()));
    size_t size = 0;
    snappy::RawCompress(reinterpret_cast<const char*>(block.data()), block.size(),
                        reinterpret_cast<char*>(out.data() + at + 4), &size);
    store_be<int32_t>(out.data() + at, static_cast<int32_t>(size));
    out.resize(at + 4 + size);
  }
  return Slice::take(std::move(out));
}

Result<Slice> unlz4(Bytes input, size_t limit) {
  LZ4F_dctx* raw = nullptr;
  CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)), "lz4: out of memory");
  std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context(
      raw, LZ4F_freeDecompressionContext);
  Output out(input.size() * 4, limit);
  size_t wanted = 1;
  while (wanted != 0) {
    const MutableBytes room = out.room();
    size_t written = room.size();
    size_t consumed = input.size();
    wanted =
        LZ4F_decompress(context.get(), room.data(), &written, input.data(), &consumed, nullptr);
    if (LZ4F_isError(wanted)) return fail(broken("lz4", LZ4F_getErrorName(wanted)));
    out.used(written);
    if (out.passed_limit()) return fail(out.too_large());
    input = input.subspan(consumed);
    if (wanted != 0 && consumed == 0 && written == 0) {
      return fail(broken("lz4", "the data ends too early"));
    }
  }
  return std::move(out).take();
}

Slice lz4(Bytes input) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // Kafka reads no other
  std::vector<uint8_t> out(LZ4F_compressFrameBound(input.size(), &preferences));
  const size_t size =
      LZ4F_compressFrame(out.data(), out.size(), input.data(), input.size(), &preferences);
  CHECK(!LZ4F_isError(size), "LZ4F_compressFrameBound() is a bound");
  out.resize(size);
  return Slice::take(std::move(out));
}

Result<Slice> unzstd(Bytes input, size_t limit) {
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  Output out(input.size() * 4, limit);
  ZSTD_inBuffer in{input.data(), input.size(), 0};
  while (true) {
    const MutableBytes room = out.room();
    ZSTD_outBuffer chunk{room.data(), room.size(), 0};
    const size_t wanted = ZSTD_decompressStream(context.get(), &chunk, &in);
    if (ZSTD_isError(wanted)) return fail(broken("zstd", ZSTD_getErrorName(wanted)));
    out.used(chunk.pos);
    if (out.passed_limit()) return fail(out.too_large());
    if (in.pos == in.size && chunk.pos < chunk.size) {
      if (wanted != 0) return fail(broken("zstd", "the data ends too early"));
      return std::move(out).take();
    }
    if (in.pos == in.size && wanted == 0) return std::move(out).take();
  }
}

Slice zstd(Bytes input) {
  std::vector<uint8_t> out(ZSTD_compressBound(input.size()));
  const size_t size = ZSTD_compress(out.data(), out.size(), input.data(), input.size(), 3);
  CHECK(!ZSTD_isError(size), "ZSTD_compressBound() is a bound");
  out.resize(size);
  return Slice::take(std::move(out));
}

}  // namespace

std::string_view compression_name(Compression codec) { return names[static_cast<size_t>(codec)]; }

Result<Compression> parse_compression(std::string_view name) {
  const auto at = std::ranges::find(names, name);
  if (at == names.end()) {
    return fail("compression is none, gzip, snappy, lz4 or zstd, not \"" + std::string(name) +
                "\"");
  }
  return static_cast<Compression>(at - names.begin());
}

Result<Slice> decompress(Compression codec, Bytes input, size_t limit) {
  switch (codec) {
    case Compression::none: return Slice::copy_of(input);
    case Compression::gzip: return gunzip(input, limit);
    case Compression::snappy: return unsnap(input, limit);
    case Compression::lz4: return unlz4(input, limit);
    case Compression::zstd: return unzstd(input, limit);
  }
  return fail(Error::kafka(static_cast<int>(ErrorCode::unsupported_compression_type),
                           "unknown compression codec"));
}

Slice compress(Compression codec, Bytes input) {
  switch (codec) {
    case Compression::none: return Slice::copy_of(input);
    case Compression::gzip: return gzip(input);
    case Compression::snappy: return snap(input);
    case Compression::lz4: return lz4(input);
    case Compression::zstd: return zstd(input);
  }
  CHECK(false, "a codec that does not exist");
}

}  // namespace isthmus::kafka
