#include <poll.h>

#include <vector>

#include "bench/certificates.h"
#include "bench/floor.h"
#include "bench/line.h"

namespace isthmus::bench {

namespace {

// What has arrived goes on; false at the end. It waits for whoever takes it, and meanwhile nothing
// goes the other way: what comes back of a bulk is small.
bool pass(Line& from, Line& to, MutableBytes buffer) {
  const auto n = from.read_arrived(buffer);
  if (n == 0) return false;
  if (n) to.write_all(buffer.first(*n));
  return true;
}

void relay(Line& client, Line& server) {
  std::vector<uint8_t> buffer(size_t{256} << 10);
  if (const auto n = client.read_received(buffer)) server.write_all(Bytes(buffer).first(*n));
  pollfd ends[] = {{client.socket(), POLLIN, 0}, {server.socket(), POLLIN, 0}};
  for (;;) {
    if (::poll(ends, 2, -1) < 0) continue;
    if (ends[0].revents != 0 && !pass(client, server, buffer)) return server.end();
    if (ends[1].revents != 0 && !pass(server, client, buffer)) return client.end();
  }
}

}  // namespace

void run_floor_relay(const Arguments& arguments) {
  const auto listens = listener_of(arguments);
  const auto dials = dialer_of(arguments);
  const Descriptor listener(listen_at(arguments.number("port")));
  for (;;) {
    Line client(accept_from(listener.get()), listens);
    if (!client.is_open()) continue;
    Line server(connect_to(arguments.number("to")), dials);
    relay(client, server);
  }
}

}  // namespace isthmus::bench
