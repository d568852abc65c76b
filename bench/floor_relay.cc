#include <sys/socket.h>

#include <thread>
#include <vector>

#include "bench/floor.h"
#include "bench/sockets.h"

namespace isthmus::bench {

namespace {

void copy(int from, int to) {
  std::vector<uint8_t> buffer(size_t{256} << 10);
  while (const size_t n = read_some(from, buffer)) write_all(to, Bytes(buffer).first(n));
  ::shutdown(to, SHUT_WR);
}

}  // namespace

void run_floor_relay(const Arguments& arguments) {
  const Descriptor listener(listen_at(arguments.number("port")));
  for (;;) {
    const Descriptor client(accept_from(listener.get()));
    const Descriptor server(connect_to(arguments.number("to")));
    std::thread back(copy, server.get(), client.get());
    copy(client.get(), server.get());
    back.join();
  }
}

}  // namespace isthmus::bench
