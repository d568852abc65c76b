// AdminPort: the admin port of a process as a command asks it: where it is, as whom it is asked,
// and whom of those that sign certificates is trusted. Plain values.
//
// Each question blocks, for some seconds if the process does.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"
#include "cli/command.h"
#include "io/stream.h"
#include "process/fetch_url.h"

namespace isthmus::cli {

struct AdminPortOptions {
  std::string admin;
  std::string user;
  std::string password_file;
  std::string ca;
};

// --admin, --admin-user, --admin-password-file and --admin-ca. `user_text` says for what rights.
void add_admin_options(Command& command, AdminPortOptions& options, const char* user_text);

class AdminPort {
 public:
  // Reads the password.
  static Result<AdminPort> of(const AdminPortOptions& options);

  const std::string& url() const { return url_; }  // without a path
  const io::Address& address() const { return address_; }

  // The text of an answer with status 200, without the newline at its end; else one line that says
  // what was answered.
  Result<std::string> ask(const char* method, const std::string& path, size_t at_most) const;
  // The answer whatever its status.
  Result<process::HttpAnswer> look(const char* method, const std::string& path,
                                   size_t at_most) const;

 private:
  AdminPort(std::string url, io::Address address)
      : url_(std::move(url)), address_(std::move(address)) {}

  std::string url_;
  io::Address address_;
  std::string authorization_;
  std::string ca_;
};

}  // namespace isthmus::cli
