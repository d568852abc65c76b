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

// By the keys at the top of the file.
Result<Product> product_of(std::string_view text, const std::string& file);

// Loads the file as what it is, with all checks, and prints it with every default filled in.
Result<std::string> print_config(Product product, std::string_view text, const std::string& file);

// What it says of the log; it is loaded as what it is, with all checks.
Result<LoggingConfig> read_logging(Product product, std::string_view text, const std::string& file);

// docs/configuration.md, generated from the tables of all roles.
std::string config_reference();

}  // namespace isthmus::process
