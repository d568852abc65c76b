// Every generated message behind one type, so that a test runs over all of them. Any thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "tests/kafka/fill.h"

namespace isthmus::kafka {

struct Codec {
  std::string name;
  int16_t min_version;
  int16_t max_version;
  // A random message, encoded.
  std::function<Slice(Fill&, int16_t version)> sample;
  // Decodes and encodes again; the input must be used up.
  std::function<Result<Slice>(const Slice&, int16_t version)> recode;
  // Whether a random message equals itself after encoding and decoding.
  std::function<bool(Fill&, int16_t version)> survives;
};

const std::vector<Codec>& all_codecs();

}  // namespace isthmus::kafka
