// fetch_url: a small document, from a file (file:///…) or a server (https://…), for what changes
// seldom: the keys by which tokens are verified.
//
// Blocks, for seconds if the server does: call it on workers, not on a loop. Servers are verified
// by the authorities that the system trusts. Any thread.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace isthmus::process {

// Why no document can be had from there, or nothing.
std::string url_problem(const std::string& url);

// The whole text, or one line that names the URL. Redirections are not followed.
Result<std::string> fetch_url(const std::string& url, size_t at_most);

}  // namespace isthmus::process
