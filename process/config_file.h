// Configuration files as a whole: which role one is for, and the reference of all keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "process/logging_config.h"

namespace isthmus::process {

enum class Product : uint8_t { broker, mirror, router };
std::string_view to_string(Product product);

// Error::message that names the file and the reason.
Result<std::string> read_config_file(const std::string& path);
// Of a file of whatever size what stands at its end, from the beginning of a line on.
Result<std::string> read_last_lines(const std::string& path, size_t lines, size_t at_most);

// By the keys at the top of the file.
Result<Product> product_of(std::string_view text, const std::string& file);

// Loads the file as what it is, with all checks, and prints it with every default filled in.
Result<std::string> print_config(Product product, std::string_view text, const std::string& file);

// The same without what is no stranger's business: where secrets are, queries of URLs; and without
// comments. A file that does not load has no such text, and its error may have a part of it: `file`
// is then to be looked at by who owns it.
Result<std::string> print_config_to_give(Product product, std::string_view text,
                                         const std::string& file);

// What it says of the log; it is loaded as what it is, with all checks.
Result<LoggingConfig> read_logging(Product product, std::string_view text, const std::string& file);

// docs/configuration.md, generated from the tables of all roles.
std::string config_reference();

}  // namespace isthmus::process
