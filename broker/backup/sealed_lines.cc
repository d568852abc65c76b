#include "broker/backup/sealed_lines.h"

#include "base/crypto.h"
#include "base/json.h"

namespace isthmus::broker {

using nlohmann::json;

namespace {

std::string seal_of(std::string_view text) {
  return encode_base64(hash_of(HashAlgorithm::sha256, as_bytes(text)));
}

Error broken(const std::string& where, const std::string& why) {
  return Error::corrupt(where + ": " + why);
}

}  // namespace

std::string encode_sealed(const SealedLines& content, const std::string& format, int version) {
  json header = content.header;
  header["format"] = format;
  header["version"] = version;
  std::string text = write_json(header) + "\n";
  for (const json& line : content.lines) text += write_json(line) + "\n";
  const json seal{{"lines", content.lines.size() + 1}, {"sha256", seal_of(text)}};
  return text + write_json(seal) + "\n";
}

Result<SealedLines> decode_sealed(std::string_view text, const std::string& format, int version,
                                  const std::string& where) {
  std::vector<json> lines;
  size_t sealed_from = 0;  // where the last line begins
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return fail(broken(where, "it is cut short"));
    lines.push_back(json::parse(text.substr(at, end - at), nullptr, false));
    if (!lines.back().is_object()) {
      return fail(broken(where, "line " + std::to_string(lines.size()) + " is no JSON"));
    }
    sealed_from = at;
    at = end + 1;
  }
  if (lines.empty() || lines.front().value("format", json()) != format) {
    return fail(broken(where, "it is no file of the format " + format));
  }
  const json said = lines.front().value("version", json());
  if (!said.is_number_integer() || said.get<int64_t>() != version) {
    return fail(broken(where, "it is of version " + write_json(said) +
                                  " of its format; this release reads " + std::to_string(version)));
  }
  const json seal = lines.back().value("sha256", json());
  if (lines.size() < 2 || !seal.is_string()) return fail(broken(where, "it is cut short"));
  if (seal.get<std::string>() != seal_of(text.substr(0, sealed_from))) {
    return fail(broken(where, "it was changed after it was written: its SHA-256 is another"));
  }
  SealedLines content{std::move(lines.front()), {}};
  content.lines.assign(std::make_move_iterator(lines.begin() + 1),
                       std::make_move_iterator(lines.end() - 1));
  return content;
}

}  // namespace isthmus::broker
