// Contexts, engines against each other without I/O, and streams over real sockets.
#include <gtest/gtest.h>

#include <thread>

#include "io/certificate_subject.h"
#include "io/throwaway_ca.h"
#include "io/tls_engine.h"
#include "io/tls_openssl.h"
#include "io/tls_stream.h"
#include "tests/io/real_world.h"
#include "tests/io/written.h"

namespace isthmus::io {
namespace {

using Clock = std::chrono::system_clock;

int64_t seconds_now() { return Clock::to_time_t(Clock::now()); }

// An authority, and material of names that it has signed.
struct Authority {
  ThrowawayCa ca = ThrowawayCa::create(seconds_now(), 30);

  TlsMaterial of(const std::string& name, std::vector<std::string> hosts = {}) const {
    auto issued = ca.issue({name, std::move(hosts)}, seconds_now(), 10);
    return {issued.pem.certificate, issued.pem.key, ca.pem().certificate};
  }
};

std::shared_ptr<const TlsContext> listener(const TlsMaterial& material,
                                           ClientAuth auth = ClientAuth::none) {
  auto made = TlsContext::listener(material, auth, Clock::now());
  EXPECT_TRUE(made) << (made ? "" : made.error().text);
  return made.value();
}

std::shared_ptr<const TlsContext> dialer(const TlsMaterial& material, bool verify_host = true) {
  auto made = TlsContext::dialer(material, verify_host, Clock::now());
  EXPECT_TRUE(made) << (made ? "" : made.error().text);
  return made.value();
}

// --- contexts -----------------------------------------------------------------------------------

std::string problem_of(const TlsContext::Made& made, TlsProblem::Part part) {
  if (made) return "none";
  EXPECT_EQ(made.error().part, part);
  return made.error().text;
}

TEST(TlsContext, SaysWhatIsWrongWithItsMaterial) {
  using Part = TlsProblem::Part;
  const Authority authority;
  const TlsMaterial good = authority.of("seoul");
  const auto with = [&](auto change, Clock::time_point when = Clock::now()) {
    TlsMaterial material = good;
    change(material);
    return TlsContext::listener(material, ClientAuth::required, when);
  };
  EXPECT_TRUE(with([](auto&) {}));
  EXPECT_EQ(problem_of(with([](auto& m) { m.certificate.clear(); }), Part::certificate),
            "is missing: a listener needs one");
  EXPECT_TRUE(problem_of(with([](auto& m) { m.certificate = "hello"; }), Part::certificate)
                  .starts_with("holds no certificate in PEM"));
  const std::string begin = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
  EXPECT_NE(problem_of(with([&](auto& m) { m.certificate = begin; }), Part::certificate), "none");
  EXPECT_TRUE(problem_of(with([&](auto& m) { m.certificate += begin; }), Part::certificate)
                  .starts_with("cannot be read"));
  EXPECT_TRUE(problem_of(with([](auto& m) { m.key = m.certificate; }), Part::key)
                  .starts_with("holds no private key"));
  EXPECT_TRUE(problem_of(with([&](auto& m) { m.key = authority.of("x").key; }), Part::key)
                  .starts_with("is not that of the certificate"));
  EXPECT_TRUE(problem_of(with([](auto& m) { m.ca.clear(); }), Part::ca).starts_with("is missing"));
  EXPECT_NE(problem_of(with([](auto& m) { m.ca = "hello"; }), Part::ca), "none");
  const auto later = Clock::now() + std::chrono::days(11);
  EXPECT_TRUE(
      problem_of(with([](auto&) {}, later), Part::certificate).starts_with("has expired on 20"));
  const auto earlier = Clock::now() - std::chrono::days(2);
  EXPECT_TRUE(problem_of(with([](auto&) {}, earlier), Part::certificate)
                  .starts_with("is not valid before"));
}

TEST(TlsContext, KnowsWhenItsCertificateEnds) {
  const Authority authority;
  const auto end = listener(authority.of("seoul"))->not_after();
  EXPECT_NEAR(Clock::to_time_t(end), seconds_now() + 10 * 86'400, 7'200);
  EXPECT_EQ(dialer({.ca = authority.ca.pem().certificate})->not_after(), Clock::time_point::max());
}

TEST(TlsContext, TellsOfEachCertificateOfATextWhenItEnds) {
  const Authority authority;
  const TlsMaterial one = authority.of("seoul");
  const auto ends = certificate_ends(TlsProblem::Part::ca, one.certificate + one.ca);
  ASSERT_TRUE(ends);
  ASSERT_EQ(ends->size(), 2u);
  EXPECT_NEAR(Clock::to_time_t((*ends)[0]), seconds_now() + 10 * 86'400, 7'200);
  EXPECT_NEAR(Clock::to_time_t((*ends)[1]), seconds_now() + 30 * 86'400, 7'200);
  EXPECT_FALSE(certificate_ends(TlsProblem::Part::ca, "hello"));
}

TEST(TlsContext, TellsWhoseCertificateAChainBeginsWith) {
  const Authority authority;
  const TlsMaterial one = authority.of("seoul");
  EXPECT_EQ(certificate_subject(one.certificate + one.ca), "CN=seoul");
  EXPECT_FALSE(certificate_subject("hello"));
}

// --- engines ------------------------------------------------------------------------------------

void carry(TlsEngine& from, TlsEngine& to) {
  const Slice bytes = from.take_outgoing();
  for (size_t at = 0; at < bytes.size();) {
    const MutableBytes room = to.space();
    const size_t n = std::min(room.size(), bytes.size() - at);
    std::memcpy(room.data(), bytes.data() + at, n);
    to.received(n);
    at += n;
    if (at < bytes.size()) break;  // the rest would need a read in between
  }
}

// Both sides of a handshake: what each says in the end.
struct Outcome {
  Result<bool> client = false, server = false;
};
Outcome shake_hands(TlsEngine& client, TlsEngine& server) {
  Outcome outcome;
  for (int i = 0; i < 10; ++i) {
    if (outcome.client && !*outcome.client) outcome.client = client.handshake();
    carry(client, server);
    if (outcome.server && !*outcome.server) outcome.server = server.handshake();
    carry(server, client);
  }
  return outcome;
}

std::string error_of(const Result<bool>& result) {
  return result ? (*result ? "agreed" : "unfinished") : result.error().text;
}

TEST(TlsEngine, TwoAgreeAndTheServerKnowsTheSubjectOfTheClient) {
  const Authority authority;
  TlsEngine client(dialer(authority.of("mirror")), "localhost");
  TlsEngine server(listener(authority.of("seoul"), ClientAuth::required), "");
  const Outcome outcome = shake_hands(client, server);
  EXPECT_EQ(error_of(outcome.client), "agreed");
  EXPECT_EQ(error_of(outcome.server), "agreed");
  EXPECT_EQ(server.peer_subject(), "CN=mirror");
  EXPECT_EQ(client.peer_subject(), "CN=seoul");
  EXPECT_EQ(client.protocol(), "TLSv1.3");
  EXPECT_FALSE(client.resumed());
}

TEST(TlsEngine, AHostThatTheCertificateDoesNotNameIsRefused) {
  const Authority authority;
  const auto server_context = listener(authority.of("seoul", {"k1.seoul"}));
  for (const auto& [host, ok] : {std::pair("k1.seoul", true),
                                 {"seoul", true},
                                 {"127.0.0.1", true},
                                 {"::1", true},
                                 {"k2.seoul", false},
                                 {"127.0.0.2", false}}) {
    TlsEngine client(dialer(authority.of("mirror")), host);
    TlsEngine server(server_context, "");
    const Outcome outcome = shake_hands(client, server);
    if (ok) {
      EXPECT_EQ(error_of(outcome.client), "agreed") << host;
    } else {
      EXPECT_NE(error_of(outcome.client).find(std::string("it does not name ") + host),
                std::string::npos)
          << error_of(outcome.client);
    }
    TlsEngine careless(dialer(authority.of("mirror"), false), host);
    TlsEngine again(server_context, "");
    EXPECT_EQ(error_of(shake_hands(careless, again).client), "agreed");
  }
}

TEST(TlsEngine, WhoIsNotOfTheAuthorityIsRefusedOnBothSides) {
  const Authority ours, theirs;
  TlsEngine client(dialer(ours.of("mirror")), "localhost");
  TlsEngine server(listener(theirs.of("seoul")), "");
  EXPECT_NE(error_of(shake_hands(client, server).client).find("certificate is refused"),
            std::string::npos);

  TlsMaterial foreign = theirs.of("mirror");
  foreign.ca = ours.ca.pem().certificate;
  TlsEngine stranger(dialer(foreign), "localhost");
  TlsEngine strict(listener(ours.of("seoul"), ClientAuth::required), "");
  const std::string refusal = error_of(shake_hands(stranger, strict).server);
  EXPECT_NE(refusal.find("certificate is refused"), std::string::npos);
  EXPECT_TRUE(refusal.ends_with(" (CN=mirror)")) << refusal;
}

TEST(TlsEngine, ACertificateIsDemandedWhereItIsRequiredOnly) {
  const Authority authority;
  const TlsMaterial nobody{.ca = authority.ca.pem().certificate};
  for (auto auth : {ClientAuth::none, ClientAuth::requested, ClientAuth::required}) {
    TlsEngine client(dialer(nobody), "localhost");
    TlsEngine server(listener(authority.of("seoul"), auth), "");
    const std::string said = error_of(shake_hands(client, server).server);
    if (auth == ClientAuth::required) {
      EXPECT_NE(said.find("shows no certificate"), std::string::npos) << said;
    } else {
      EXPECT_EQ(said, "agreed");
      EXPECT_EQ(server.peer_subject(), std::nullopt);
    }
  }
}

TEST(TlsEngine, WhoSpeaksSomethingElseIsTold) {
  const Authority authority;
  for (const auto& [said, why] :
       {std::pair("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "speaks HTTP"),
        {"hello, is this a broker? I speak plainly", "does not speak TLS"}}) {
    TlsEngine server(listener(authority.of("seoul")), "");
    const std::string_view text(said);
    std::memcpy(server.space().data(), text.data(), text.size());
    server.received(text.size());
    const auto outcome = server.handshake();
    ASSERT_FALSE(outcome);
    EXPECT_NE(outcome.error().text.find(why), std::string::npos) << outcome.error().text;
  }
}

TEST(TlsEngine, ASessionIsResumedOnceAndOnlyUnderTheSameContexts) {
  const Authority authority;
  const auto server_context = listener(authority.of("seoul"));
  const auto client_context = dialer(authority.of("mirror"));
  const auto once = [&](const auto& at_server, const auto& at_client) {
    TlsEngine client(at_client, "localhost"), server(at_server, "");
    EXPECT_EQ(error_of(shake_hands(client, server).client), "agreed");
    uint8_t buffer[16];
    EXPECT_TRUE(client.read(buffer)) << "takes the ticket";
    return client.resumed();
  };
  EXPECT_FALSE(once(server_context, client_context));
  EXPECT_TRUE(once(server_context, client_context));
  EXPECT_FALSE(once(listener(authority.of("seoul")), client_context)) << "another's ticket";
  EXPECT_FALSE(once(server_context, dialer(authority.of("mirror")))) << "knows no session";
}

TEST(TlsEngine, AListenerKnowsWhichHostIsWantedAlsoWhenASessionIsResumed) {
  const Authority authority;
  const auto server_context = listener(authority.of("router", {"*.kafka.corp"}));
  for (const bool is_1_2 : {false, true}) {
    const auto client_context = dialer(authority.of("mirror"));
    if (is_1_2) SSL_CTX_set_max_proto_version(client_context->impl().ssl.get(), TLS1_2_VERSION);
    for (const bool resumed : {false, true}) {
      TlsEngine client(client_context, "b101.kafka.corp"), server(server_context, "");
      EXPECT_EQ(error_of(shake_hands(client, server).client), "agreed");
      EXPECT_EQ(client.protocol(), is_1_2 ? "TLSv1.2" : "TLSv1.3");
      EXPECT_EQ(client.resumed(), resumed);
      EXPECT_EQ(server.server_name(), "b101.kafka.corp");
      uint8_t buffer[16];
      EXPECT_TRUE(client.read(buffer)) << "takes the ticket";
    }
  }
  TlsEngine by_address(dialer(authority.of("mirror")), "127.0.0.1"), server(server_context, "");
  EXPECT_EQ(error_of(shake_hands(by_address, server).client), "agreed");
  EXPECT_EQ(server.server_name(), "");
}

// OpenSSL verifies nothing anew where a session is resumed.
TEST(TlsEngine, ACertificateThatHasExpiredIsNotResumedWith) {
  const Authority authority;
  constexpr int64_t day_s = 86'400, lives_s = 10;
  const auto issued = authority.ca.issue({"mirror", {}}, seconds_now() - day_s + lives_s, 1);
  const auto client_context =
      dialer({issued.pem.certificate, issued.pem.key, authority.ca.pem().certificate});
  const auto server_context = listener(authority.of("seoul"), ClientAuth::required);
  const auto at_server = [&] {
    TlsEngine client(client_context, "localhost"), server(server_context, "");
    const Outcome outcome = shake_hands(client, server);
    uint8_t buffer[16];
    if (outcome.client && *outcome.client) EXPECT_TRUE(client.read(buffer)) << "takes the ticket";
    return error_of(outcome.server);
  };
  ASSERT_EQ(at_server(), "agreed");
  std::this_thread::sleep_for(std::chrono::seconds(lives_s) + milliseconds(100));
  EXPECT_NE(at_server().find("has expired"), std::string::npos);
}

TEST(TlsEngine, AHostThatNoCertificateCouldNameIsAnErrorOfTheHandshake) {
  const Authority authority;
  TlsEngine client(dialer(authority.of("mirror")), std::string("localhost\0x", 11));
  const auto outcome = client.handshake();
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().text.find("no name that a certificate could have"), std::string::npos);
}

TEST(TlsEngine, FlippedBitsEndItAndDoNoHarm) {
  const Authority authority;
  TlsEngine client(dialer(authority.of("mirror")), "localhost");
  TlsEngine server(listener(authority.of("seoul")), "");
  ASSERT_EQ(error_of(shake_hands(client, server).client), "agreed");
  ASSERT_TRUE(client.write(as_bytes("what is written")));
  const Slice record = client.take_outgoing();
  const MutableBytes room = server.space();
  std::memcpy(room.data(), record.data(), record.size());
  room[record.size() / 2] ^= 1;
  server.received(record.size());
  uint8_t buffer[64];
  EXPECT_FALSE(server.read(buffer));
}

// The line brings records in whatever pieces, more of them before anybody reads, and who reads
// takes what he has room for: rooms grow and shrink, and what is left over moves along.
TEST(TlsEngine, BytesStayInOrderHoweverTheyComeAndAreTaken) {
  const Authority authority;
  TlsEngine client(dialer(authority.of("mirror")), "localhost");
  TlsEngine server(listener(authority.of("seoul")), "");
  ASSERT_EQ(error_of(shake_hands(client, server).client), "agreed");
  const Slice plain = pattern(3'000'000, 3);
  ASSERT_TRUE(client.write(plain.view().first(1'000'000)));
  ASSERT_TRUE(client.write(plain.view().subspan(1'000'000)));
  const Slice line = client.take_outgoing();
  EXPECT_GT(line.size(), plain.size());
  EXPECT_EQ(client.outgoing(), 0u);

  std::vector<uint8_t> came;
  std::vector<uint8_t> buffer(70'000);
  for (size_t at = 0, round = 0; at < line.size(); ++round) {
    const size_t pieces = 1 + round % 3;
    for (size_t piece = 0; piece < pieces && at < line.size(); ++piece) {
      const MutableBytes room = server.space();
      ASSERT_FALSE(room.empty());
      // As much as there is room for, then a while of single bytes.
      const size_t most = round % 100 < 60 ? room.size() : 1 + round % 3;
      const size_t n = std::min({room.size(), most, line.size() - at});
      std::memcpy(room.data(), line.data() + at, n);
      server.received(n);
      at += n;
    }
    for (;;) {
      auto n = server.read(MutableBytes(buffer).first(1 + round * 1'009 % buffer.size()));
      ASSERT_TRUE(n) << n.error().text;
      if (!*n) break;
      came.insert(came.end(), buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(**n));
      if (round % 7 == 0) break;  // the rest later
    }
  }
  while (came.size() < plain.size()) {
    const auto n = server.read(buffer);
    ASSERT_TRUE(n && *n && **n > 0);
    came.insert(came.end(), buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(**n));
  }
  EXPECT_TRUE(as_text(came) == as_text(plain.view()));
}

// --- streams ------------------------------------------------------------------------------------

struct Ends {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<TlsStream> client, server;
};

Task<void> agree(TlsStream& stream, Result<void>& outcome) {
  auto agreed = co_await stream.handshake(soon(5000));
  outcome = agreed;
}

Task<Ends> connect(RealWorld& world, const Authority& authority) {
  Ends ends;
  ends.listener = *world.env().network.listen(world.loop(), {"127.0.0.1", 0});
  auto near = co_await world.env().network.dial(ends.listener->local(), soon(5000));
  auto far = co_await ends.listener->accept(world.loop());
  Workers& workers = world.env().workers;
  ends.client = std::make_unique<TlsStream>(std::move(*near), dialer(authority.of("mirror")),
                                            "127.0.0.1", workers);
  ends.server = std::make_unique<TlsStream>(
      std::move(*far), listener(authority.of("seoul"), ClientAuth::required), "", workers);
  Result<void> client, server;
  Gate gate(world.loop());
  gate.spawn("client", agree(*ends.client, client));
  gate.spawn("server", agree(*ends.server, server));
  co_await gate.close();
  EXPECT_TRUE(client) << (client ? "" : client.error().text);
  EXPECT_TRUE(server) << (server ? "" : server.error().text);
  co_return ends;
}

Task<void> echo(Stream& stream) {
  std::vector<uint8_t> buffer(100'000);
  for (;;) {
    auto n = co_await stream.read_some(buffer);
    if (!n || *n == 0) co_return;
    auto sent = co_await stream.write(Rope(Slice::copy_of(Bytes(buffer).first(*n))));
    if (!sent) co_return;
  }
}

Task<void> big_rope_comes_back(RealWorld& world, std::string path, bool& equal) {
  const Authority authority;
  Ends ends = co_await connect(world, authority);
  EXPECT_EQ(ends.server->tls()->subject, "CN=mirror");
  EXPECT_EQ(ends.client->tls()->subject, "CN=seoul");

  auto file = *world.env().disk.open(path, Disk::Open::create);
  file->append(pattern(3'000'000, 5)).value();
  Rope rope;
  for (int i = 0; i < 600; ++i) rope.append(pattern(1 + i * 7, static_cast<uint8_t>(i)));
  rope.append(FileRange{file, 1000, 2'500'000});
  rope.append(pattern(2'000'000, 9));
  rope.append(FileRange{file, 0, 17});
  const Slice expected = *rope.flatten();

  Gate gate(world.loop());
  bool sent = false;
  gate.spawn("echo", echo(*ends.server));
  gate.spawn("write", write_all(*ends.client, std::move(rope), sent));
  std::vector<uint8_t> all(expected.size());
  for (size_t got = 0; got < all.size();) {
    auto n = co_await ends.client->read_some(MutableBytes(all).subspan(got));
    if (!n || *n == 0) break;
    got += *n;
  }
  equal = as_text(all) == as_text(expected.view());
  EXPECT_EQ(ends.client->delivered(), expected.size()) << "all of it was read, so it has arrived";
  ends.client->close();
  co_await gate.close();
  EXPECT_TRUE(sent);
}

TEST(TlsStream, EchoesABigRopeWithFileRanges) {
  TemporaryFolder folder;
  RealWorld world;
  bool equal = false;
  world.run(big_rope_comes_back(world, folder / "file", equal));
  EXPECT_TRUE(equal);
}

Task<void> close_is_an_end(RealWorld& world, std::optional<Result<size_t>>& seen) {
  const Authority authority;
  Ends ends = co_await connect(world, authority);
  ends.server->close();
  uint8_t buffer[10];
  auto n = co_await ends.client->read_some(buffer);
  seen = n;
}

TEST(TlsStream, AnEndIsSeenAsOne) {
  RealWorld world;
  std::optional<Result<size_t>> seen;
  world.run(close_is_an_end(world, seen));
  ASSERT_TRUE(seen && *seen);
  EXPECT_EQ(**seen, 0u);
}

Task<void> silent_peer(RealWorld& world, Result<void>& outcome) {
  const Authority authority;
  auto listening = *world.env().network.listen(world.loop(), {"127.0.0.1", 0});
  auto near = co_await world.env().network.dial(listening->local(), soon(5000));
  auto far = co_await listening->accept(world.loop());
  TlsStream server(std::move(*far), listener(authority.of("seoul")), "", world.env().workers);
  auto agreed = co_await server.handshake(soon(50));
  outcome = agreed;
}

TEST(TlsStream, AHandshakeThatStopsInTheMiddleEndsAtItsDeadline) {
  RealWorld world;
  Result<void> outcome;
  world.run(silent_peer(world, outcome));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, Error::Kind::timeout);
}

Task<void> begin_at_plain(RealWorld& world, Error& error) {
  const Authority authority;
  auto listening = *world.env().network.listen(world.loop(), {"127.0.0.1", 0});
  auto near = co_await world.env().network.dial(listening->local(), soon(5000));
  auto far = co_await listening->accept(world.loop());
  far->reset();
  auto stream = co_await begin_tls(std::move(*near), dialer(authority.of("mirror")), "127.0.0.1",
                                   world.env().workers, soon(5000));
  if (!stream) error = stream.error();
}

TEST(TlsStream, APeerThatClosesInsteadIsSuspectedToSpeakPlainly) {
  RealWorld world;
  Error error;
  world.run(begin_at_plain(world, error));
  EXPECT_NE(error.text.find("is that a port for TLS?"), std::string::npos) << error.text;
}

}  // namespace
}  // namespace isthmus::io
