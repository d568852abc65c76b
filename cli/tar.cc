#include "cli/tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace isthmus::cli {
namespace {

constexpr size_t block = 512;

struct Field {
  size_t at;
  size_t digits;  // octal, and behind them a zero
};
constexpr Field mode{100, 7}, owner{108, 7}, group{116, 7}, length{124, 11}, modified{136, 11};
constexpr size_t path_at = 0, longest_path = 99, sum_at = 148, kind_at = 156, magic_at = 257;

void put(std::array<char, block>& header, Field field, uint64_t value) {
  fmt::format_to_n(header.data() + field.at, field.digits, "{:0{}o}", value, field.digits);
}

}  // namespace

void Tar::add(std::string_view path, std::string_view text, int64_t modified_s) {
  CHECK(!path.empty() && path.size() <= longest_path, "a path that the header has room for");
  std::array<char, block> header{};
  std::ranges::copy(path, header.data() + path_at);
  put(header, mode, 0600);
  put(header, owner, 0);
  put(header, group, 0);
  put(header, length, text.size());
  put(header, modified, static_cast<uint64_t>(std::max<int64_t>(0, modified_s)));
  header[kind_at] = '0';
  std::ranges::copy(std::string_view("ustar\00000", 8), header.data() + magic_at);
  // The sum is that of a header with blanks where it will stand.
  std::ranges::fill_n(header.data() + sum_at, 8, ' ');
  uint64_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(header, {sum_at, 6}, sum);
  header[sum_at + 6] = '\0';
  archive_.append(header.data(), header.size());
  archive_ += text;
  archive_.resize((archive_.size() + block - 1) / block * block);
}

std::string Tar::take() {
  archive_.append(2 * block, '\0');
  return std::move(archive_);
}

}  // namespace isthmus::cli
