#include "kafka/wire.h"

#include <gtest/gtest.h>

#include <limits>

#include "kafka/gen/config_resource.h"
#include "kafka/gen/mirror_state.h"
#include "kafka/gen/switchover_phase.h"

namespace isthmus::kafka {
namespace {

Slice bytes(std::vector<uint8_t> b) { return Slice::take(std::move(b)); }

Slice written(Writer w) { return *std::move(w).finish().flatten(); }

TEST(Reader, FirstErrorSticks) {
  Reader r(bytes({0, 1, 0, 2}));
  EXPECT_EQ(r.int16(), 1);
  EXPECT_EQ(r.int64(), 0);
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.remaining(), 0u);
  EXPECT_EQ(r.int16(), 0) << "bytes are left, but nothing is read after an error";
  r.fail("a later reason");
  EXPECT_EQ(r.error().text, "at byte 2 of 4: the message ends inside a field");
}

TEST(Wire, VarintsAtTheirLimits) {
  for (int32_t v : {0, -1, 1, 63, 64, -64, -65, 1 << 20, std::numeric_limits<int32_t>::max(),
                    std::numeric_limits<int32_t>::min()}) {
    const auto wide = static_cast<int64_t>(static_cast<uint64_t>(v) * 0x1'0000'0001);
    Writer w;
    w.varint(v);
    w.unsigned_varint(static_cast<uint32_t>(v));
    w.varlong(wide);
    Reader r(written(std::move(w)));
    EXPECT_EQ(r.varint(), v);
    EXPECT_EQ(r.unsigned_varint(), static_cast<uint32_t>(v));
    EXPECT_EQ(r.varlong(), wide);
    EXPECT_TRUE(r.ok());
  }
  Writer w;
  w.varint(-1);
  w.unsigned_varint(300);
  EXPECT_EQ(written(std::move(w)), bytes({0x01, 0xac, 0x02}));
}

TEST(Reader, RefusesVarintsThatAreTooLong) {
  Reader five(bytes({0xff, 0xff, 0xff, 0xff, 0x0f}));
  EXPECT_EQ(five.unsigned_varint(), 0xffffffffu);
  Reader bits(bytes({0xff, 0xff, 0xff, 0xff, 0x1f}));
  bits.unsigned_varint();
  EXPECT_FALSE(bits.ok()) << "33 bits";
  Reader endless(bytes({0x80, 0x80, 0x80, 0x80, 0x80, 0x00}));
  endless.unsigned_varint();
  EXPECT_FALSE(endless.ok()) << "six bytes";
  Reader longest(bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
  EXPECT_EQ(longest.varlong(), std::numeric_limits<int64_t>::min());
  Reader too_long(bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}));
  too_long.varlong();
  EXPECT_FALSE(too_long.ok());
}

TEST(Wire, NullAndEmptyDiffer) {
  for (bool compact : {false, true}) {
    Writer w;
    w.nullable_string(std::nullopt, compact);
    w.nullable_string("", compact);
    w.nullable_bytes(std::nullopt, compact);
    w.nullable_bytes(Slice(), compact);
    w.nullable_array_size(std::optional<std::vector<int>>(), compact);
    w.nullable_array_size(std::optional(std::vector<int>()), compact);
    Reader r(written(std::move(w)));
    EXPECT_EQ(r.nullable_string(compact), std::nullopt);
    EXPECT_EQ(r.nullable_string(compact), "");
    EXPECT_FALSE(r.nullable_bytes(compact).has_value());
    EXPECT_TRUE(r.nullable_bytes(compact).has_value());
    std::optional<std::vector<int>> array;
    EXPECT_EQ(r.nullable_array(array, compact, 4), nullptr);
    EXPECT_NE(r.nullable_array(array, compact, 4), nullptr);
    EXPECT_TRUE(r.ok());
    EXPECT_EQ(r.remaining(), 0u);
  }
}

TEST(Wire, NullWhereItIsNotAllowedYet) {
  Writer w;
  w.nullable_string(std::nullopt, false, false);
  EXPECT_EQ(written(std::move(w)), bytes({0, 0}));
  Reader r(bytes({0xff, 0xff}));
  r.nullable_string(false, false);
  EXPECT_FALSE(r.ok());
  Reader array(bytes({0xff, 0xff, 0xff, 0xff}));
  std::optional<std::vector<int>> out;
  array.nullable_array(out, false, 4, false);
  EXPECT_FALSE(array.ok());
}

TEST(Reader, BelievesNoLength) {
  Reader string(bytes({0x7f, 0xff, 'a'}));
  EXPECT_EQ(string.string(false), "");
  EXPECT_FALSE(string.ok());
  Reader negative(bytes({0xff, 0xfe, 'a'}));
  negative.nullable_string(false);
  EXPECT_FALSE(negative.ok());
  Reader huge(bytes({0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}));
  std::vector<int64_t> out;
  EXPECT_EQ(huge.array(out, false, 8).size(), 0u);
  EXPECT_FALSE(huge.ok());
  Reader one_too_many(bytes({3, 1, 2, 3}));
  std::vector<int16_t> two;
  EXPECT_EQ(one_too_many.array(two, true, 2).size(), 0u) << "two elements need four bytes";
  EXPECT_FALSE(one_too_many.ok());
}

// An element of two bytes on the wire and 56 in memory: Metadata's topics, empty.
TEST(Reader, ArraysOfAllLevelsShareOneLimitOfMemory) {
  struct Topic {
    char fields[56];
  };
  auto message = [](size_t size, uint32_t elements) {
    Writer w;
    w.unsigned_varint(elements + 1);
    std::vector<uint8_t> payload = {w.unsealed().begin(), w.unsealed().end()};
    payload.resize(size);
    return bytes(std::move(payload));
  };
  std::vector<Topic> topics;
  Reader small(message(2 * 1000 + 2, 1000));
  EXPECT_EQ(small.array(topics, true, 2).size(), 1000u) << "56 kB: does no harm";
  EXPECT_TRUE(small.ok());
  Reader grows(message(100'000, 40'000));
  EXPECT_EQ(grows.array(topics, true, 2).size(), 0u) << "22 times the message";
  EXPECT_EQ(grows.error().text,
            "at byte 3 of 100000: the arrays of the message would take too much memory");
  Reader huge(message(10 << 20, 2 << 20));
  EXPECT_EQ(huge.array(topics, true, 2).size(), 0u) << "112 MiB, if only 11 times the message";

  // 16 * 100,000 bytes in all: the first array leaves too little for the same once more.
  Writer w;
  for (int i = 0; i < 2; ++i) w.unsigned_varint(15'000 + 1);
  std::vector<uint8_t> both(w.unsealed().begin(), w.unsealed().end());
  both.resize(100'000);
  Reader sum(bytes(std::move(both)));
  EXPECT_EQ(sum.array(topics, true, 2).size(), 15'000u);
  std::optional<std::vector<Topic>> more;
  EXPECT_EQ(sum.nullable_array(more, true, 2), nullptr);
  EXPECT_FALSE(sum.ok());
}

TEST(Wire, StringsEndAt32767Bytes) {
  Writer w;
  w.string(std::string(40000, 'x'), true);
  const Slice cut = written(std::move(w));
  Reader r(cut);
  EXPECT_EQ(r.string(true).size(), max_string_size);
  EXPECT_EQ(r.remaining(), 0u);

  Writer longer;
  longer.unsigned_varint(32768 + 1);
  longer.raw(std::vector<uint8_t>(32768, 'x'));
  Reader refuses(written(std::move(longer)));
  refuses.string(true);
  EXPECT_FALSE(refuses.ok());
}

TEST(Wire, RecordsAreNotCopied) {
  const Slice first = Slice::copy_of("first");
  const Slice second = Slice::copy_of("second");
  Rope records(first);
  records.append(second);
  Writer w;
  w.int8(7);
  w.records(records, true);
  w.int8(8);
  EXPECT_EQ(w.size(), 1u + 1 + 11 + 1);
  const Rope rope = std::move(w).finish();
  ASSERT_EQ(rope.pieces().size(), 4u);
  EXPECT_EQ(std::get<Slice>(rope.pieces()[1]).data(), first.data());
  EXPECT_EQ(std::get<Slice>(rope.pieces()[2]).data(), second.data());

  const Slice whole = *rope.flatten();
  Reader r(whole);
  EXPECT_EQ(r.int8(), 7);
  const Rope view = r.records(true);
  EXPECT_EQ(std::get<Slice>(view.pieces().at(0)).data(), whole.data() + 2);
  EXPECT_EQ(r.int8(), 8);
  EXPECT_TRUE(r.ok());
}

TEST(Wire, NoRecordsAreAnEmptyRope) {
  Writer w;
  w.records(Rope(), false);
  EXPECT_EQ(written(std::move(w)), bytes({0, 0, 0, 0}));
  Reader null(bytes({0xff, 0xff, 0xff, 0xff}));
  EXPECT_TRUE(null.records(false).empty());
  EXPECT_TRUE(null.ok());
}

TEST(TagReader, SkipsWhatItDoesNotKnow) {
  Reader r(bytes({2, 5, 1, 0xaa, 9, 2, 0xbb, 0xcc, 0x77}));
  r.skip_tagged_fields();
  EXPECT_EQ(r.int8(), 0x77);
  EXPECT_TRUE(r.ok());
}

TEST(TagReader, FieldsEndWhereTheySay) {
  Reader r(bytes({1, 0, 3, 0, 1, 2}));
  for (TagReader tags(r, true); tags.next();) r.int16();
  EXPECT_FALSE(r.ok()) << "one byte was left over";
  Reader over(bytes({1, 0, 1, 0, 1, 2}));
  for (TagReader tags(over, true); tags.next();) over.int16();
  EXPECT_FALSE(over.ok()) << "one byte too many was read";
  Reader cut(bytes({1, 0, 9, 0}));
  cut.skip_tagged_fields();
  EXPECT_FALSE(cut.ok());
}

TEST(TagWriter, WritesCountIdsAndSizes) {
  TagWriter tags;
  tags.field().int16(0x0102);
  tags.end(3);
  tags.field().int8(9);
  tags.end(300);
  Writer w;
  tags.write_to(w);
  EXPECT_EQ(written(std::move(w)), bytes({2, 3, 2, 1, 2, 0xac, 0x02, 1, 9}));
}

TEST(Errors, NamesAndRetries) {
  EXPECT_EQ(error_name(ErrorCode::not_leader_or_follower), "NOT_LEADER_OR_FOLLOWER");
  EXPECT_EQ(static_cast<int>(ErrorCode::not_leader_or_follower), 6);
  EXPECT_EQ(error_name(ErrorCode::unknown_server_error), "UNKNOWN_SERVER_ERROR");
  EXPECT_EQ(error_name(static_cast<ErrorCode>(999)), "UNKNOWN");
  EXPECT_EQ(error_name(static_cast<ErrorCode>(-2)), "UNKNOWN");
  EXPECT_TRUE(is_retriable(ErrorCode::not_leader_or_follower));
  EXPECT_FALSE(is_retriable(ErrorCode::offset_out_of_range));
  EXPECT_FALSE(is_retriable(static_cast<ErrorCode>(999)));
}

TEST(ErrorCodes, EveryErrorHasACodeAndNoneSaysMoreThanIsKnown) {
  EXPECT_EQ(error_code(Error::timeout("")), ErrorCode::request_timed_out);
  EXPECT_EQ(error_code(Error::corrupt("")), ErrorCode::corrupt_message);
  EXPECT_EQ(error_code(Error::io(5, "write")), ErrorCode::kafka_storage_error);
  EXPECT_EQ(error_code(Error::closed("")), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(error_code(Error::message("")), ErrorCode::kafka_storage_error);
  Result<void> refused = refuse(ErrorCode::policy_violation, "why");
  ASSERT_FALSE(refused);
  EXPECT_EQ(error_code(refused.error()), ErrorCode::policy_violation);
  EXPECT_EQ(refused.error().text, "why");
  EXPECT_TRUE(is(refused.error(), ErrorCode::policy_violation));
  EXPECT_FALSE(is(refused.error(), ErrorCode::invalid_config));
  EXPECT_FALSE(is(Error::timeout(""), ErrorCode::request_timed_out)) << "nobody has said so";
}

TEST(Enums, ANumberWithoutANameFailsUnlessTheEnumIsOpen) {
  Reader r(bytes({4, 99}));
  MirrorState state{};
  read(r, state);
  EXPECT_EQ(state, MirrorState::failed);
  EXPECT_EQ(to_string(state), "failed");
  read(r, state);
  EXPECT_FALSE(r.ok()) << "99 is no state";
  EXPECT_EQ(to_string(SwitchoverPhase::handed_over), "handed over");

  Reader open(bytes({99}));
  ConfigResource resource{};
  read(open, resource);
  EXPECT_TRUE(open.ok());
  EXPECT_EQ(static_cast<int>(resource), 99) << "as it came: Kafka answers such a thing by name";
  EXPECT_EQ(to_string(resource), "?");
}

}  // namespace
}  // namespace isthmus::kafka
