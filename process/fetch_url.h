// fetch_url: a small document, from a file (file:///…) or a server (https://…), for what changes
// seldom: the keys by which tokens are verified; and what is sent to a server (https://…, or
// http://… to this machine) for such a document: a form that asks for a token, a command to the
// admin port of a process.
//
// Blocks, for seconds if the server does: call it on workers, not on a loop. Servers are verified
// by the authorities that the system trusts, unless the caller names his own. Any thread.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace isthmus::process {

// Why no document can be had from there, or nothing.
std::string url_problem(const std::string& url);

// Why no form can be sent there, or nothing: what is secret in it goes over no line in plain text.
std::string form_url_problem(const std::string& url);

// The whole text, or one line that names the URL. Redirections are not followed.
Result<std::string> fetch_url(const std::string& url, size_t at_most);

struct HttpAnswer {
  int status = 0;
  std::string text;
};
// The answer whatever its status, or one line that names the URL. `authorization` is the header of
// this name; nothing is redirected.
Result<HttpAnswer> post_form(const std::string& url, const std::string& authorization,
                             const std::string& form, size_t at_most);

struct HttpQuestion {
  std::string method;  // GET or POST, without a body
  std::string url;
  std::string authorization;  // empty: nobody's
  std::string ca;             // path of a PEM file; empty: what the system trusts
};
// As post_form().
Result<HttpAnswer> ask_http(const HttpQuestion& question, size_t at_most);

}  // namespace isthmus::process
