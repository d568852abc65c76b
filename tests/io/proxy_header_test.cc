// The header as balancers write it, what is wrong with others, and where it ends on a stream.
#include "io/proxy_header.h"

#include <gtest/gtest.h>

#include <thread>

#include "io/proxied_stream.h"
#include "tests/io/real_world.h"

namespace isthmus::io {
namespace {

using namespace std::string_literals;

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string ipv4_body = "\xcb\x00\x71\x07\x7f\x00\x00\x01\xdc\x04\x23\x84"s;

std::string header(char command, char family, const std::string& body) {
  const auto size = static_cast<uint16_t>(body.size());
  return signature + command + family + static_cast<char>(size >> 8) + static_cast<char>(size) +
         body;
}

std::string said_of(const std::string& text) {
  const Bytes bytes = as_bytes(text);
  if (auto good = check_proxy_header(bytes); !good) return good.error().text;
  auto size = proxy_header_size(bytes);
  if (!size) return size.error().text;
  auto parsed = parse_proxy_header(bytes.first(*size));
  if (!parsed) return parsed.error().text;
  return parsed->source ? parsed->source->to_string() : "itself";
}

TEST(ProxyHeader, NamesWhomABalancerConnectsFor) {
  EXPECT_EQ(said_of(header('\x21', '\x11', ipv4_body)), "203.0.113.7:56324");
  std::string ipv6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01";
  ipv6 += std::string(16, '\0') + "\xdc\x04\x23\x84";
  EXPECT_EQ(said_of(header('\x21', '\x21', ipv6)), "[2001:db8::1]:56324");
  std::string mapped = std::string(10, '\0') + "\xff\xff\xcb\x00\x71\x07"s;
  mapped += std::string(16, '\0') + "\xdc\x04\x23\x84";
  EXPECT_EQ(said_of(header('\x21', '\x21', mapped)), "203.0.113.7:56324") << "IPv4 within IPv6";
  const std::string tlvs = "\x03\x00\x04\x01\x02\x03\x04\x04\x00\x00 whatever they are"s;
  EXPECT_EQ(said_of(header('\x21', '\x11', ipv4_body + tlvs)), "203.0.113.7:56324");
}

TEST(ProxyHeader, ABalancerMaySpeakForItselfOrKnowNoAddress) {
  EXPECT_EQ(said_of(header('\x20', '\x00', "")), "itself") << "LOCAL";
  EXPECT_EQ(said_of(header('\x20', '\x11', ipv4_body)), "itself") << "LOCAL, whatever follows";
  EXPECT_EQ(said_of(header('\x21', '\x00', "")), "itself") << "AF_UNSPEC";
  EXPECT_EQ(said_of(header('\x21', '\x10', ipv4_body)), "itself") << "of an unknown transport";
  EXPECT_EQ(said_of(header('\x21', '\x31', std::string(216, 'x'))), "itself") << "AF_UNIX";
}

TEST(ProxyHeader, WhatIsNoneIsRefusedWithItsReason) {
  const auto has = [](const std::string& text, const char* why) {
    EXPECT_NE(said_of(text).find(why), std::string::npos) << said_of(text);
  };
  has("PROXY TCP4 203.0.113.7 127.0.0.1 56324 9092\r\n", "is version 1");
  has("\0\0\0\x10\0\x12\0\0 a request of Kafka's"s, "begins without a PROXY header");
  has("\x16\x03\x01\x02\x00\x01 a handshake of TLS"s, "begins without a PROXY header");
  has(header('\x11', '\x11', ipv4_body), "is version 1");
  has(header('\x31', '\x11', ipv4_body), "is version 3");
  has(header('\x22', '\x11', ipv4_body), "has command 2");
  has(header('\x21', '\x41', ipv4_body), "does not exist");
  has(header('\x21', '\x13', ipv4_body), "does not exist");
  has(header('\x21', '\x12', ipv4_body), "tells of datagrams");
  has(header('\x21', '\x11', ipv4_body.substr(1)), "ends before its addresses do");
  has(header('\x21', '\x21', ipv4_body), "ends before its addresses do");
  has(header('\x21', '\x11', ipv4_body + std::string(longest_proxy_header, 'x')), "at most 4096");
}

TEST(ProxyHeader, AsMuchAsIsHereIsLookedAt) {
  const std::string whole = header('\x21', '\x11', ipv4_body);
  for (size_t size = 0; size <= whole.size(); ++size) {
    EXPECT_TRUE(check_proxy_header(as_bytes(whole.substr(0, size)))) << size;
  }
  for (size_t at = 0; at < signature.size(); ++at) {
    std::string damaged = whole.substr(0, at + 1);
    damaged[at] ^= 1;
    EXPECT_FALSE(check_proxy_header(as_bytes(damaged))) << at;
  }
}

// --- on a stream --------------------------------------------------------------------------------

io::Task<void> send_in_parts(RealWorld& w, Stream& line, const std::string& text) {
  for (size_t at = 0; at < text.size(); at += 5) {
    auto sent = co_await line.write(Rope(Slice::copy_of(text.substr(at, 5))));
    EXPECT_TRUE(sent.has_value());
    co_await sleep(w.loop(), milliseconds(1));
  }
}

io::Task<void> read_and_go_on(RealWorld& w) {
  auto listener = w.env().network.listen(w.loop(), {"127.0.0.1", 0});
  auto dialed = co_await w.env().network.dial((*listener)->local(), soon(5000));
  auto accepted = co_await (*listener)->accept(w.loop());
  Gate beside(w.loop());
  const std::string text = header('\x21', '\x11', ipv4_body + std::string(300, 't')) + "behind";
  beside.spawn("sender", send_in_parts(w, **dialed, text));
  auto read = co_await read_proxy_header(**accepted);
  EXPECT_TRUE(read.has_value()) << read.error().text;
  auto stream = as_proxied(std::move(*accepted), *read->source);
  EXPECT_EQ(stream->peer().to_string(), "203.0.113.7:56324");
  co_await beside.close();
  std::vector<uint8_t> rest(100);
  auto n = co_await stream->read_some(rest);
  EXPECT_EQ(as_text(Bytes(rest).first(*n)), "behind");
  auto sent = co_await stream->write(Rope(Slice::copy_of(std::string("answer"))));
  EXPECT_TRUE(sent.has_value());
  auto answered = co_await (*dialed)->read_some(rest);
  EXPECT_EQ(as_text(Bytes(rest).first(*answered)), "answer");
}
TEST(ProxyHeader, NotAByteBehindItIsTaken) {
  RealWorld w;
  w.run(read_and_go_on(w));
}

}  // namespace
}  // namespace isthmus::io
