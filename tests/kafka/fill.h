// Random values for the generated fill() functions (kafka/schema/generate.py tests). Seeded: a
// failing case prints its seed and can be repeated.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "kafka/errors.h"

namespace isthmus::kafka {

class Fill {
 public:
  explicit Fill(uint64_t seed) : random_(seed) {}

  // Uniform in 0..below-1.
  size_t pick(size_t below) { return random_() % below; }

  template <typename T>
    requires std::is_integral_v<T>
  void set(T& v) {
    v = static_cast<T>(random_());
  }
  template <typename E>
    requires std::is_enum_v<E>
  void set(E& v) {
    const auto all = values_of(E{});
    v = all[pick(all.size())];
  }
  void set(bool& v) { v = pick(2) == 0; }
  void set(double& v) { v = static_cast<double>(static_cast<int32_t>(random_())); }
  void set(ErrorCode& v) { v = static_cast<ErrorCode>(static_cast<int16_t>(pick(134)) - 1); }
  void set(Uuid& v) {
    for (auto& b : v.bytes) b = static_cast<uint8_t>(random_());
  }
  void set(std::string& v) { v = text(); }
  void set(Slice& v) { v = Slice::copy_of(text()); }
  void set(Rope& v) { v = Rope(Slice::copy_of(text())); }
  template <typename T>
  void set(std::optional<T>& v, bool may_be_null) {
    v.reset();
    if (!may_be_null || pick(3) != 0) set(v.emplace());
  }

  template <typename T>
  std::vector<T>& array(std::vector<T>& v) {
    v = std::vector<T>(pick(4));
    return v;
  }
  // Null is left without elements to fill.
  template <typename T>
  std::vector<T>& array(std::optional<std::vector<T>>& v, bool may_be_null) {
    static std::vector<T> none;
    v.reset();
    if (may_be_null && pick(3) == 0) return none;
    return array(v.emplace());
  }

 private:
  std::string text() {
    // Now and then longer than a one-byte varint can say.
    std::string v(pick(20) == 0 ? 200 : pick(12), '\0');
    for (char& c : v) c = static_cast<char>('a' + pick(26));
    return v;
  }

  std::mt19937_64 random_;
};

}  // namespace isthmus::kafka
