#include "cli/starter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace isthmus::cli {
namespace {

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc23-extensions"  // #embed is C's, and C++26's
constexpr unsigned char seoul[] = {
#embed "../config/seoul.yaml"
};
constexpr unsigned char tokyo[] = {
#embed "../config/tokyo.yaml"
};
constexpr unsigned char mirror[] = {
#embed "../config/mirror.yaml"
};
constexpr unsigned char router[] = {
#embed "../config/router.yaml"
};
#pragma clang diagnostic pop

struct Template {
  const char* role;
  const char* name;
  std::string_view text;
};

template <size_t Size>
std::string_view text_of(const unsigned char (&bytes)[Size]) {
  return {reinterpret_cast<const char*>(bytes), Size};
}

std::array<Template, 4> templates() {
  return {{{"broker", "seoul.yaml", text_of(seoul)},
           {"broker", "tokyo.yaml", text_of(tokyo)},
           {"mirror", "mirror.yaml", text_of(mirror)},
           {"router", "router.yaml", text_of(router)}}};
}

// Where config/ has its data, and calls itself by.
constexpr std::array<std::string_view, 2> folders = {"/tmp/isthmus/", "config/"};

std::string placed(std::string_view text, const std::string& folder) {
  std::string placed;
  while (!text.empty()) {
    const auto old = std::ranges::find_if(
        folders, [text](std::string_view each) { return text.starts_with(each); });
    placed += old == folders.end() ? std::string(1, text[0]) : folder + "/";
    text.remove_prefix(old == folders.end() ? 1 : old->size());
  }
  return placed;
}

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return is_word || byte >= 0x80 || std::string_view("/._+-").contains(c);
}

}  // namespace

Result<Starter> starter_in(const std::string& folder) {
  if (!std::ranges::all_of(folder, is_plain)) {
    return fail(fmt::format(
        "{}: has a character that means something in YAML or to a shell; take a path of letters, "
        "digits and . _ + -",
        folder));
  }
  Starter starter{.files = {}, .commands = {}, .bootstrap = "127.0.0.1:19092"};
  for (const Template& each : templates()) {
    starter.files.push_back({each.name, placed(each.text, folder)});
    starter.commands.push_back(
        fmt::format("isthmus {} --config {}/{}", each.role, folder, each.name));
  }
  return starter;
}

}  // namespace isthmus::cli
