// Blocking sockets and files, as bare as they come: floors measure what the kernel asks for a path,
// with nothing of ours in between. Whatever fails ends the program.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace isthmus::bench {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

int listen_at(int64_t port);  // of 127.0.0.1
int accept_from(int listener);
int connect_to(int64_t port);
int create_file(const std::string& path);  // empty

// 0 at the end of the stream.
size_t read_some(int fd, MutableBytes into);
void write_all(int fd, Bytes bytes);

}  // namespace isthmus::bench
