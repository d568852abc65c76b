// The files of a throw-away authority (io/throwaway_ca.h): ca.crt and ca.key, and for each name
// <name>.crt and <name>.key, all PEM, in one folder. Keys can be read by their owner alone.
//
// A folder that has an authority gets more certificates of it. No file is ever written over: if one
// of those to be made is there, or anything else is wrong, nothing is left behind of the attempt.
// Blocks; for commands and tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace isthmus::io {

struct ThrowawayWish {
  std::string folder;              // made, for its owner alone, if it is not there
  std::vector<std::string> names;  // a certificate for each
  std::vector<std::string> hosts;  // in all of them
  int64_t now_s = 0;               // since 1970
  int64_t days = 90;               // how long all of it holds
};

struct MadeCertificate {
  std::string name;
  std::string certificate;  // the paths
  std::string key;
  int64_t valid_until_s = 0;
};

struct MadeCertificates {
  std::string ca;  // the path of its certificate
  bool is_new_ca = false;
  int64_t ca_valid_until_s = 0;
  std::vector<MadeCertificate> made;
};

constexpr size_t most_certificates = 100;  // of one wish; and as many hosts

// An error is one line that names what is wrong.
Result<MadeCertificates> make_throwaway_certificates(const ThrowawayWish& wish);

}  // namespace isthmus::io
