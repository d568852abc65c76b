// PageFile: a file of the page at `/` of the admin port (process/page/), or of the library that
// draws its charts. Made part of the program when it is built, so that the page needs nothing but
// the port. Plain values; any thread.
#pragma once

#include <string_view>

namespace isthmus::process {

struct PageFile {
  std::string_view path;  // "/", "/page/page.js"
  std::string_view type;  // of its content
  std::string_view body;
};

// nullptr: there is none at that path.
const PageFile* find_page_file(std::string_view path);

}  // namespace isthmus::process
