#include "cli/bundle.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/printable.h"
#include "cli/tar.h"
#include "process/config_file.h"

namespace isthmus::cli {

bool Bundle::misses_some() const { return std::ranges::any_of(parts_, &BundlePart::is_missed); }

std::string Bundle::archive() const {
  std::string contents =
      "What `isthmus debug bundle` has found. Passwords, keys and tokens are not in it; names of "
      "topics,\ngroups, users and hosts are.\n\n";
  Tar tar;
  for (const BundlePart& part : parts_) {
    contents +=
        printable(fmt::format("{}: {}{}", part.name, part.text ? "" : "not included: ", part.note));
    contents += "\n";
    if (part.text) tar.add(folder_ + "/" + part.name, *part.text, made_s_);
  }
  tar.add(folder_ + "/contents.txt", contents, made_s_);
  return tar.take();
}

Result<std::string> config_to_give(const std::string& text, const std::string& file) {
  auto product = process::product_of(text, file);
  auto given = product ? process::print_config_to_give(*product, text, file)
                       : Result<std::string>(fail(product.error()));
  // What is wrong with it may quote it.
  if (!given) return fail("it does not load: isthmus config check " + file + " says why");
  return given;
}

}  // namespace isthmus::cli
