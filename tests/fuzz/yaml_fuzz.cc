// Configuration files, of the role that the first byte says: an error names the file (the
// command's way out makes it one line), and what is taken is printed as what is taken again and
// prints the same.
#include "base/check.h"
#include "process/config_file.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace isthmus;
  using process::Product;
  constexpr Product products[] = {Product::broker, Product::mirror, Product::router};
  fuzz::Input input(data, size);
  const Product product = products[input.byte() % std::size(products)];
  const std::string text = input.text();
  const auto says_where = [](const Error& error) { return error.text.starts_with("f.yaml"); };
  const auto guessed = process::product_of(text, "f.yaml");
  CHECK(guessed || says_where(guessed.error()), "an error says where");
  const auto printed = process::print_config(product, text, "f.yaml");
  if (!printed) {
    CHECK(says_where(printed.error()), "an error says where");
    return 0;
  }
  const auto again = process::print_config(product, *printed, "f.yaml");
  CHECK(again && *again == *printed, "what is printed is taken, and prints the same");
  return 0;
}
