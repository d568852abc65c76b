#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/tcp.h"
#include "tests/io/real_world.h"
#include "tests/io/written.h"

namespace isthmus::io {
namespace {

const Address any_port{"127.0.0.1", 0};

// Returns every byte it reads, until the peer ends.
Task<void> echo(std::unique_ptr<Stream> stream) {
  std::vector<uint8_t> buffer(64 * 1024);
  for (;;) {
    auto n = co_await stream->read_some(buffer);
    if (!n || *n == 0) co_return;
    auto sent = co_await stream->write(Rope(Slice::copy_of(Bytes(buffer).first(*n))));
    if (!sent) co_return;
  }
}

Task<std::vector<uint8_t>> read_exactly(Stream& stream, size_t size) {
  std::vector<uint8_t> all(size);
  size_t got = 0;
  while (got < size) {
    auto n = co_await stream.read_some(MutableBytes(all).subspan(got));
    if (!n || *n == 0) break;
    got += *n;
  }
  all.resize(got);
  co_return all;
}

// One listener on loop 0; what it accepts lives and is echoed on the last loop.
Task<void> serve_one(RealWorld& world, Listener& listener, Gate& gate) {
  Loop& home = *world.env().loops.back();
  auto stream = co_await listener.accept(home);
  if (!stream) co_return;
  home.post([&gate, s = std::move(*stream)]() mutable { gate.spawn("echo", echo(std::move(s))); });
}

Task<void> close_gate(Gate& gate) { co_await gate.close(); }

Task<void> big_rope_comes_back(RealWorld& world, std::string path, bool cold, bool& equal) {
  auto listener = *world.env().network.listen(world.loop(), any_port);
  Gate echoes(*world.env().loops.back());
  world.gate.spawn("accept", serve_one(world, *listener, echoes));
  auto dialled = co_await world.env().network.dial(listener->local(), soon(5000));
  if (!dialled) co_return;
  auto stream = std::move(*dialled);

  auto file = *world.env().disk.open(path, Disk::Open::create);
  Slice stored = pattern(3'000'000, 5);
  file->append(stored).value();
  if (cold) {
    file->sync_now().value();
    ::posix_fadvise(file->native_handle(), 0, 0, POSIX_FADV_DONTNEED);
  }
  Rope rope;
  for (int i = 0; i < 600; ++i) rope.append(pattern(1 + i * 7, static_cast<uint8_t>(i)));
  rope.append(FileRange{file, 1000, 2'500'000});
  rope.append(pattern(2'000'000, 9));
  rope.append(FileRange{file, 0, 17});
  Slice expected = *rope.flatten();

  bool sent = false;
  Gate writer(world.loop());
  writer.spawn("write", write_all(*stream, std::move(rope), sent));
  auto got = co_await read_exactly(*stream, expected.size());
  equal = as_text(got) == as_text(expected);
  co_await writer.close();
  EXPECT_TRUE(sent);
  stream.reset();
  co_await call_on(*world.env().loops.back(), close_gate(echoes));
}

class Tcp : public testing::TestWithParam<size_t> {};

TEST_P(Tcp, EchoesABigRopeWithFileRanges) {
  TemporaryFolder folder;
  RealWorld world(GetParam());
  bool equal = false;
  world.run(big_rope_comes_back(world, folder / "file", false, equal));
  EXPECT_TRUE(equal);
}
TEST_P(Tcp, EchoesABigRopeWithFileRangesThatAreNotInMemory) {
  TemporaryFolder folder;
  RealWorld world(GetParam());
  bool equal = false;
  world.run(big_rope_comes_back(world, folder / "file", true, equal));
  EXPECT_TRUE(equal);
}

INSTANTIATE_TEST_SUITE_P(Loops, Tcp, testing::Values(1, 2));

// Both ends of one connection, on the main loop.
struct Pair {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> near;
  std::unique_ptr<Stream> far;
};

Task<Pair> connect(RealWorld& world) {
  Pair pair;
  pair.listener = *world.env().network.listen(world.loop(), any_port);
  auto near = co_await world.env().network.dial(pair.listener->local(), soon(5000));
  auto far = co_await pair.listener->accept(world.loop());
  pair.near = std::move(*near);
  pair.far = std::move(*far);
  co_return pair;
}

Task<void> read_once(Stream& stream, std::optional<Result<size_t>>& result) {
  std::vector<uint8_t> buffer(100);
  auto n = co_await stream.read_some(buffer);
  result = n;
}

Task<void> close_ends_read(RealWorld& world, bool destroy, std::optional<Result<size_t>>& result) {
  auto pair = co_await connect(world);
  Gate readers(world.loop());
  readers.spawn("read", read_once(*pair.near, result));
  co_await sleep(world.loop(), milliseconds(5));
  EXPECT_FALSE(result.has_value());
  if (destroy) {
    pair.near.reset();
  } else {
    pair.near->close();
  }
  co_await readers.close();
}

TEST(TcpStream, CloseEndsAPendingReadWithClosed) {
  for (bool destroy : {false, true}) {
    RealWorld world;
    std::optional<Result<size_t>> result;
    world.run(close_ends_read(world, destroy, result));
    ASSERT_TRUE(result && !*result);
    EXPECT_EQ(result->error().kind, Error::Kind::closed);
  }
}

Task<void> close_ends_write(RealWorld& world, bool& done, bool& ended) {
  auto pair = co_await connect(world);
  Gate writers(world.loop());
  done = true;
  writers.spawn("write", write_all(*pair.near, Rope(pattern(32'000'000, 1)), done));
  co_await sleep(world.loop(), milliseconds(5));
  EXPECT_EQ(writers.running(), 1u) << "nobody reads: the write must wait";
  pair.near->close();
  co_await writers.close();
  ended = true;
}

TEST(TcpStream, CloseEndsAPendingWrite) {
  RealWorld world;
  bool done = true, ended = false;
  world.run(close_ends_write(world, done, ended));
  EXPECT_FALSE(done);
  EXPECT_TRUE(ended);
}

Task<void> peer_ends(RealWorld& world, std::optional<Result<size_t>>& result) {
  auto pair = co_await connect(world);
  EXPECT_EQ(pair.far->peer().host, "127.0.0.1");
  pair.far.reset();
  co_await read_once(*pair.near, result);
}

TEST(TcpStream, ReadsZeroAtThePeersEnd) {
  RealWorld world;
  std::optional<Result<size_t>> result;
  world.run(peer_ends(world, result));
  ASSERT_TRUE(result && *result);
  EXPECT_EQ(**result, 0u);
}

Task<void> dial_once(RealWorld& world, Address to, int ms, Error& error) {
  auto stream = co_await world.env().network.dial(to, soon(ms));
  if (!stream) error = stream.error();
}

TEST(TcpNetwork, DialRefusedNamesTheAddress) {
  RealWorld world;
  auto listener = *world.env().network.listen(world.loop(), any_port);
  Address free = listener->local();
  listener.reset();
  Error error;
  world.run(dial_once(world, free, 5000, error));
  EXPECT_EQ(error.kind, Error::Kind::io);
  EXPECT_EQ(error.code, ECONNREFUSED);
  EXPECT_EQ(error.text, "cannot connect to " + free.to_string() + ": Connection refused");
}

TEST(TcpNetwork, DialEndsAtItsDeadline) {
  RealWorld world;
  Error error;
  world.run(dial_once(world, {"127.0.0.1", 1}, -1, error));
  EXPECT_EQ(error.kind, Error::Kind::timeout);
}

TEST(TcpNetwork, APortInUseIsOneClearLine) {
  RealWorld world;
  auto first = *world.env().network.listen(world.loop(), any_port);
  auto second = world.env().network.listen(world.loop(), first->local());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text, first->local().to_string() +
                                     " is in use by another process; choose another port, or stop "
                                     "that process");
}

TEST(TcpNetwork, AnAddressOfAnotherMachineIsRefused) {
  RealWorld world;
  auto listener = world.env().network.listen(world.loop(), {"192.0.2.1", 9092});
  ASSERT_FALSE(listener);
  EXPECT_NE(listener.error().text.find("192.0.2.1:9092"), std::string::npos);
}

Task<void> dial_by_number_and_name(RealWorld& world, TcpNetwork& network, size_t& connected) {
  auto listener = *world.env().network.listen(world.loop(), any_port);
  auto by_number = co_await network.dial(listener->local(), soon(5000));
  auto by_name = co_await network.dial({"broker.site", listener->local().port}, soon(5000));
  connected = (by_number ? 1u : 0u) + (by_name ? 1u : 0u);
}

TEST(TcpNetwork, OnlyNamesAreLookedUp) {
  RealWorld world;
  std::vector<std::string> asked;
  Pool readers(1);
  TcpNetwork network(readers, [&](const std::string& name) -> Resolver::Hosts {
    asked.push_back(name);
    return std::vector<std::string>{"127.0.0.1"};
  });
  size_t connected = 0;
  world.run(dial_by_number_and_name(world, network, connected));
  EXPECT_EQ(connected, 2u);
  EXPECT_EQ(asked, std::vector<std::string>{"broker.site"});
}

// Connects and resets at once, before anybody has accepted.
void connect_and_reset(const Address& to) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(to.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const linger at_once{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(socket);
}

Task<void> accept_after_a_reset(RealWorld& world, Result<bool>& same_peer) {
  auto listener = *world.env().network.listen(world.loop(), any_port);
  connect_and_reset(listener->local());
  auto near = co_await world.env().network.dial(listener->local(), soon(5000));
  auto far = co_await listener->accept(world.loop());
  if (!far) {
    same_peer = fail(far.error());
    co_return;
  }
  auto sent = co_await (*near)->write(Rope(Slice::copy_of("x")));
  auto got = co_await read_exactly(**far, 1);
  same_peer = sent && got.size() == 1;
}

TEST(TcpListener, APeerThatHasResetIsPassedOver) {
  RealWorld world;
  Result<bool> same_peer = false;
  world.run(accept_after_a_reset(world, same_peer));
  ASSERT_TRUE(same_peer) << same_peer.error().text;
  EXPECT_TRUE(*same_peer);
}

Task<void> close_ends_accept(RealWorld& world, Error& error) {
  auto listener = *world.env().network.listen(world.loop(), any_port);
  world.loop().run_at(soon(5), [l = listener.get()] { l->close(); });
  auto stream = co_await listener->accept(world.loop());
  if (!stream) error = stream.error();
}

TEST(TcpListener, CloseEndsAPendingAccept) {
  RealWorld world;
  Error error;
  world.run(close_ends_accept(world, error));
  EXPECT_EQ(error.kind, Error::Kind::closed);
}

}  // namespace
}  // namespace isthmus::io
