#include "kafka/quota_entity.h"

#include <cstdint>

namespace isthmus::kafka {

namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

void append_escaped(std::string& key, std::string_view name) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : name) {
    if (is_plain(c)) {
      key += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    key += {'%', digits[byte >> 4], digits[byte & 15]};
  }
}

}  // namespace

std::optional<std::string>* QuotaEntity::part(std::string_view type) {
  if (type == "user") return &user;
  if (type == "client-id") return &client_id;
  if (type == "ip") return &ip;
  return nullptr;
}

std::string QuotaEntity::key() const {
  std::string key;
  for_each_part(*this, [&key](std::string_view type, std::string_view name) {
    if (!key.empty()) key += ',';
    key.append(type) += '=';
    append_escaped(key, name);
  });
  return key;
}

std::string QuotaEntity::to_string() const {
  std::string text;
  for_each_part(*this, [&text](std::string_view type, std::string_view name) {
    if (!text.empty()) text += ", ";
    text.append(type).append(" ").append(name.empty() ? "<default>" : name);
  });
  return text;
}

}  // namespace isthmus::kafka
