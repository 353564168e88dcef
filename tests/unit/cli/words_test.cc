// How values read for people.
#include "cli/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "qsplit/v1/lease.pb.h"

namespace qsplit::cli {
namespace {

using ::testing::HasSubstr;

google::protobuf::RepeatedField<uint32_t> Numbers(const std::vector<uint32_t>& numbers) {
  return {numbers.begin(), numbers.end()};
}

TEST(Mac, BytesInHexadecimalWithColons) {
  EXPECT_EQ(Mac(std::string("\x02\x00\x00\x00\x00\xff", 6)), "02:00:00:00:00:ff");
  EXPECT_EQ(Mac("\x0a"), "0a");
  EXPECT_EQ(Mac(""), "");
}

TEST(Hex, BytesInHexadecimal) {
  EXPECT_EQ(Hex(std::string("\x00\xab", 2)), "00ab");
  EXPECT_EQ(Hex(""), "");
}

TEST(Layout, NameAndTheStartOfTheDigest) {
  v1::LayoutReference layout;
  layout.set_name("nic");
  layout.set_digest(std::string(32, '\xab'));
  EXPECT_EQ(Layout(layout), "nic@abababababab");
}

TEST(Ranges, NeighboursMakeOneRange) {
  EXPECT_EQ(Ranges(Numbers({3, 4, 5, 8})), "3-5,8");
  EXPECT_EQ(Ranges(Numbers({0, 1})), "0-1");
  EXPECT_EQ(Ranges(Numbers({7})), "7");
  EXPECT_EQ(Ranges(Numbers({1, 3, 5})), "1,3,5");
  EXPECT_EQ(Ranges(Numbers({})), "-");
}

TEST(Ranges, TheGreatestNumberHasNoNeighbour) {
  const uint32_t most = std::numeric_limits<uint32_t>::max();
  EXPECT_EQ(Ranges(Numbers({most, 0})), "4294967295,0");
}

TEST(Age, HasAUnitThatFits) {
  EXPECT_EQ(Age(0), "0 ms");
  EXPECT_EQ(Age(20'999'999), "20 ms");
  EXPECT_EQ(Age(1'500'000'000), "1.5 s");
  EXPECT_EQ(Age(99'000'000'000), "99.0 s");
  EXPECT_EQ(Age(100'000'000'000), "1m40s");
  EXPECT_EQ(Age(3'725'000'000'000), "1h2m5s");
}

TEST(Bytes, WholeUnitsOnly) {
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(4096), "4 KiB");
  EXPECT_EQ(Bytes(4097), "4097 B");
  EXPECT_EQ(Bytes(16 << 20), "16 MiB");
  EXPECT_EQ(Bytes(uint64_t{3} << 40), "3072 GiB");
}

TEST(Rate, ThreeDigitsAndAUnit) {
  EXPECT_EQ(Rate(0), "0");
  EXPECT_EQ(Rate(999), "999");
  EXPECT_EQ(Rate(1250), "1.25k");
  EXPECT_EQ(Rate(1'250'000), "1.25M");
  EXPECT_EQ(Rate(2e12), "2000.00G");
}

TEST(ParseDuration, NumbersWithUnits) {
  EXPECT_EQ(*ParseDuration("500ms"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseDuration("2s"), absl::Seconds(2));
  EXPECT_EQ(*ParseDuration("1m"), absl::Minutes(1));
  EXPECT_EQ(*ParseDuration("0"), absl::ZeroDuration());
  EXPECT_EQ(*ParseDuration("1h"), absl::Hours(1));
}

TEST(ParseDuration, EverythingElseIsRefusedByItsName) {
  for (const char* text : {"", "5", "2 s", "-1s", "61m", "inf", "-inf", "s", "1e3s", "2d"}) {
    const auto duration = ParseDuration(text);
    EXPECT_EQ(duration.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(duration.status().message()), HasSubstr(text));
    EXPECT_THAT(std::string(duration.status().message()), HasSubstr("500ms"));
  }
}

TEST(Word, IsTheNameWithoutItsPrefix) {
  EXPECT_EQ(Word(v1::LEASE_STATE_ACTIVE), "active");
  EXPECT_EQ(Word(v1::OFFLOAD_UNSPECIFIED), "unspecified");
  EXPECT_EQ(Word(v1::OFFLOAD_RX_VLAN), "rx-vlan");
}

// A newer daemon may send what this program has no name for.
TEST(Word, ANumberWithoutANameStandsForItself) {
  EXPECT_EQ(Word(static_cast<v1::LeaseState>(4711)), "4711");
}

}  // namespace
}  // namespace qsplit::cli
