#include "kafka/compression.h"

#include <lz4frame.h>
#include <lz4hc.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kafka/errors.h"

namespace isthmus::kafka {
namespace {

constexpr std::array<std::string_view, 5> names = {"none", "gzip", "snappy", "lz4", "zstd"};

constexpr size_t window_size = size_t{64} << 10;
// What a thread keeps for its next input; the states themselves take some 300 KiB.
constexpr size_t max_kept_size = size_t{4} << 20;

std::unexpected<Error> broken(const char* codec, const char* why) {
  return fail(Error::corrupt(std::string(codec) + ": " + why));
}

// The front of an lz4 frame: its magic number, little endian, and the flags behind it.
constexpr std::array<uint8_t, 4> lz4_magic = {0x04, 0x22, 0x4d, 0x18};
constexpr int lz4_version_mask = 0xc0;
constexpr int lz4_version = 0x40;
constexpr int lz4_independent_blocks = 0x20;
constexpr int lz4_reserved_or_dictionary = 0x03;

const char* unusual_lz4_frame(Bytes input) {
  if (input.size() <= lz4_magic.size()) return "the data ends too early";
  if (!std::equal(lz4_magic.begin(), lz4_magic.end(), input.begin())) return "not an lz4 frame";
  const int flags = input[lz4_magic.size()];
  if ((flags & lz4_version_mask) != lz4_version) return "an unknown version of frames";
  if ((flags & lz4_reserved_or_dictionary) != 0) return "a frame with a dictionary";
  if ((flags & lz4_independent_blocks) == 0) return "a frame whose blocks are not independent";
  return nullptr;
}

Slice gzip(Bytes input, int level) {
  z_stream z{};
  CHECK(deflateInit2(&z, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK,
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

// For the library, 0 is fast, and so are the levels below its first that is not; above its last
// there is none.
int lz4_library_level(int level) {
  if (level == levels_of(Compression::lz4).usual) return 0;
  return std::clamp(level, LZ4HC_CLEVEL_MIN, LZ4HC_CLEVEL_MAX);
}

Slice lz4(Bytes input, int level) {
  LZ4F_preferences_t preferences{};
  preferences.compressionLevel = lz4_library_level(level);
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // Kafka reads no other
  std::vector<uint8_t> out(LZ4F_compressFrameBound(input.size(), &preferences));
  const size_t size =
      LZ4F_compressFrame(out.data(), out.size(), input.data(), input.size(), &preferences);
  CHECK(!LZ4F_isError(size), "LZ4F_compressFrameBound() is a bound");
  out.resize(size);
  return Slice::take(std::move(out));
}

// Each thread keeps the state for its next input: to make one costs more than a small batch.
Slice zstd(Bytes input, int level) {
  thread_local std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> state{nullptr, ZSTD_freeCCtx};
  if (!state) state.reset(ZSTD_createCCtx());
  CHECK(state != nullptr, "zstd: out of memory");
  std::vector<uint8_t> out(ZSTD_compressBound(input.size()));
  const size_t size =
      ZSTD_compressCCtx(state.get(), out.data(), out.size(), input.data(), input.size(), level);
  CHECK(!ZSTD_isError(size), "ZSTD_compressBound() is a bound");
  if (ZSTD_sizeof_CCtx(state.get()) > max_kept_size) state.reset();
  out.resize(size);
  return Slice::take(std::move(out));
}

}  // namespace

// What the libraries need, made when it is first needed.
struct Unpacker::Engines {
  std::vector<uint8_t> window = std::vector<uint8_t>(window_size);
  std::vector<uint8_t> block;  // snappy unpacks whole blocks only
  struct EndGzip {
    void operator()(z_stream* z) const {
      inflateEnd(z);
      delete z;
    }
  };
  std::unique_ptr<z_stream, EndGzip> gzip;
  std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> lz4{
      nullptr, LZ4F_freeDecompressionContext};
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> zstd{nullptr, ZSTD_freeDCtx};

  void begin_gzip() {
    if (gzip) {
      inflateReset(gzip.get());
      return;
    }
    gzip.reset(new z_stream{});
    CHECK(inflateInit2(gzip.get(), 16 + MAX_WBITS) == Z_OK, "zlib: out of memory");
  }
  void begin_lz4() {
    if (lz4) {
      LZ4F_resetDecompressionContext(lz4.get());
      return;
    }
    LZ4F_dctx* fresh = nullptr;
    CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&fresh, LZ4F_VERSION)),
          "lz4: out of memory");
    lz4.reset(fresh);
  }
  void begin_zstd() {
    if (!zstd) zstd.reset(ZSTD_createDCtx());
    CHECK(zstd != nullptr, "zstd: out of memory");
    ZSTD_DCtx_reset(zstd.get(), ZSTD_reset_session_only);
  }
  void shrink() {
    if (block.capacity() > max_kept_size) block = {};
    if (zstd && ZSTD_sizeof_DCtx(zstd.get()) > max_kept_size) zstd.reset();
  }
};

std::unique_ptr<Unpacker::Engines>& Unpacker::spare_engines() {
  thread_local std::unique_ptr<Engines> spare;
  return spare;
}

Unpacker::Unpacker(Compression codec, Bytes input, size_t limit, Framing framing)
    : codec_(codec),
      input_(input),
      limit_(limit),
      framing_(framing),
      engines_(std::move(spare_engines())) {
  if (!engines_) engines_ = std::make_unique<Engines>();
}

Unpacker::~Unpacker() {
  engines_->shrink();
  spare_engines() = std::move(engines_);
}

Result<Bytes> Unpacker::next() {
  if (done_) return Bytes();
  switch (codec_) {
    case Compression::none: break;
    case Compression::gzip: return next_gzip();
    case Compression::snappy: return next_snappy();
    case Compression::lz4: return next_lz4();
    case Compression::zstd: return next_zstd();
  }
  return refuse(ErrorCode::unsupported_compression_type, "unknown compression codec");
}

Error Unpacker::too_large() const {
  return error_of(ErrorCode::message_too_large,
                  "records decompress to more than " + std::to_string(limit_) + " bytes");
}

Result<Bytes> Unpacker::produced(Bytes window) {
  produced_ += window.size();
  if (produced_ > limit_) return fail(too_large());
  return window;
}

Result<Bytes> Unpacker::next_gzip() {
  if (!begun_) engines_->begin_gzip();
  z_stream& z = *engines_->gzip;
  if (!begun_) {
    z.next_in = const_cast<Bytef*>(input_.data());
    z.avail_in = static_cast<uInt>(input_.size());
    begun_ = true;
  }
  z.next_out = engines_->window.data();
  z.avail_out = static_cast<uInt>(window_size);
  while (!done_ && z.avail_out != 0) {
    const int status = inflate(&z, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      done_ = z.avail_in == 0;
      if (done_) break;
      if (framing_ == Framing::common) return broken("gzip", "bytes behind the compressed data");
      inflateReset(&z);  // gzip members may follow one another
      continue;
    }
    if (status != Z_OK) return broken("gzip", z.msg ? z.msg : "the data ends too early");
    if (z.avail_in == 0 && z.avail_out != 0) return broken("gzip", "the data ends too early");
  }
  return produced(Bytes(engines_->window).first(window_size - z.avail_out));
}

Result<Bytes> Unpacker::next_snappy_block(Bytes block) {
  const auto* text = reinterpret_cast<const char*>(block.data());
  size_t size = 0;
  if (!snappy::GetUncompressedLength(text, block.size(), &size)) {
    return broken("snappy", "a block without a length");
  }
  if (size > limit_ - produced_) return fail(too_large());
  // A copy of at most 64 bytes takes 3 bytes of input.
  if (size / 64 > block.size()) return broken("snappy", "a block's length is too great");
  if (engines_->block.size() < size) engines_->block.resize(size);
  auto* out = reinterpret_cast<char*>(engines_->block.data());
  if (!snappy::RawUncompress(text, block.size(), out)) {
    return broken("snappy", "a block does not decompress");
  }
  return produced(Bytes(engines_->block).first(size));
}

Result<Bytes> Unpacker::next_snappy() {
  if (!begun_) {
    begun_ = true;
    xerial_ = input_.size() >= xerial_header_size &&
              std::equal(xerial_magic.begin(), xerial_magic.end(), input_.begin());
    if (!xerial_) {
      done_ = true;
      return next_snappy_block(input_);
    }
    // The lowest version that can read it stands behind magic and version.
    if (framing_ == Framing::common && load_be<int32_t>(input_.data() + xerial_magic.size()) < 1) {
      return broken("snappy", "an unknown version of xerial's framing");
    }
    input_ = input_.subspan(xerial_header_size);
  }
  while (!input_.empty()) {
    if (input_.size() < 4) return broken("snappy", "the data ends inside a block's length");
    const auto size = load_be<uint32_t>(input_.data());
    if (size > input_.size() - 4) return broken("snappy", "the data ends inside a block");
    const Bytes block = input_.subspan(4, size);
    input_ = input_.subspan(4 + size);
    auto window = next_snappy_block(block);
    if (!window || !window->empty()) return window;
  }
  done_ = true;
  return Bytes();
}

Result<Bytes> Unpacker::next_lz4() {
  if (!begun_) {
    begun_ = true;
    const char* unusual = framing_ == Framing::common ? unusual_lz4_frame(input_) : nullptr;
    if (unusual != nullptr) return broken("lz4", unusual);
    engines_->begin_lz4();
  }
  size_t used = 0;
  while (!done_ && used < window_size) {
    size_t written = window_size - used;
    size_t consumed = input_.size();
    const size_t wanted = LZ4F_decompress(engines_->lz4.get(), engines_->window.data() + used,
                                          &written, input_.data(), &consumed, nullptr);
    if (LZ4F_isError(wanted)) return broken("lz4", LZ4F_getErrorName(wanted));
    used += written;
    input_ = input_.subspan(consumed);
    done_ = wanted == 0;
    if (!done_ && consumed == 0 && written == 0) return broken("lz4", "the data ends too early");
  }
  if (done_ && !input_.empty() && framing_ == Framing::common) {
    return broken("lz4", "bytes behind the frame");
  }
  return produced(Bytes(engines_->window).first(used));
}

Result<Bytes> Unpacker::next_zstd() {
  if (!begun_) {
    begun_ = true;
    engines_->begin_zstd();
  }
  ZSTD_outBuffer out{engines_->window.data(), window_size, 0};
  while (!done_ && out.pos < out.size) {
    ZSTD_inBuffer in{input_.data(), input_.size(), 0};
    const size_t before = out.pos;
    const size_t wanted = ZSTD_decompressStream(engines_->zstd.get(), &out, &in);
    if (ZSTD_isError(wanted)) return broken("zstd", ZSTD_getErrorName(wanted));
    input_ = input_.subspan(in.pos);
    done_ = wanted == 0 && input_.empty();
    if (!done_ && in.pos == 0 && out.pos == before) {
      return broken("zstd", "the data ends too early");
    }
  }
  return produced(Bytes(engines_->window).first(out.pos));
}

Result<Slice> decompress(Compression codec, Bytes input, size_t limit) {
  if (codec == Compression::none) return Slice::copy_of(input);
  Unpacker unpacker(codec, input, limit, Framing::any);
  std::vector<uint8_t> all;
  all.reserve(std::min(input.size() * 4, limit));
  while (true) {
    auto window = unpacker.next();
    if (!window) return fail(window.error());
    if (window->empty()) return Slice::take(std::move(all));
    all.insert(all.end(), window->begin(), window->end());
  }
}

std::string_view compression_name(Compression codec) { return names[static_cast<size_t>(codec)]; }

Result<Compression> parse_compression(std::string_view name) {
  const auto at = std::ranges::find(names, name);
  if (at == names.end()) {
    return fail("compression is none, gzip, snappy, lz4 or zstd, not \"" + std::string(name) +
                "\"");
  }
  return static_cast<Compression>(at - names.begin());
}

Levels levels_of(Compression codec) {
  switch (codec) {
    case Compression::none:
    case Compression::snappy: return {};
    case Compression::gzip: return {1, 9, 6};
    case Compression::lz4: return {1, 17, 9};
    case Compression::zstd: return {1, 19, 3};
  }
  CHECK(false, "a codec that does not exist");
}

Slice compress(Compression codec, Bytes input, int level) {
  const Levels levels = levels_of(codec);
  CHECK(level >= levels.least && level <= levels.most, "a level that the codec has");
  switch (codec) {
    case Compression::none: return Slice::copy_of(input);
    case Compression::gzip: return gzip(input, level);
    case Compression::snappy: return snap(input);
    case Compression::lz4: return lz4(input, level);
    case Compression::zstd: return zstd(input, level);
  }
  CHECK(false, "a codec that does not exist");
}

}  // namespace isthmus::kafka
