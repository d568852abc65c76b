// Tar: an archive of texts (ustar, as POSIX.1-1988 has it), made in memory. Plain values.
//
//   512 bytes of header, the text, zeros up to the next 512; ... ; 1024 zeros at the end
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace isthmus::cli {

class Tar {
 public:
  // REQUIRES: a path of 1 to 99 bytes; less than 8 GiB of text.
  void add(std::string_view path, std::string_view text, int64_t modified_s);
  // The whole archive. Nothing is added behind it.
  std::string take();

 private:
  std::string archive_;
};

}  // namespace isthmus::cli
