// SealedLines: the form of the files that an operator keeps of a cluster: lines of JSON, a header
// first, and last the SHA-256 of all that stands before it. To be read by people, and by nobody
// when a byte is missing. Pure.
//
//   {"format":"isthmus-metadata","version":1, ...}
//   {...}
//   {"lines":2,"sha256":"..."}
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace isthmus::broker {

struct SealedLines {
  nlohmann::json header;  // without format and version
  std::vector<nlohmann::json> lines;
};

std::string encode_sealed(const SealedLines& content, const std::string& format, int version);
// `where` names the file. An error says what is wrong with it: another format, a later version, cut
// short, or changed.
Result<SealedLines> decode_sealed(std::string_view text, const std::string& format, int version,
                                  const std::string& where);

}  // namespace isthmus::broker
