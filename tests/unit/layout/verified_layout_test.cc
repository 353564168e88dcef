#include "descriptor-lang/layout/verified_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "descriptor-lang/layout/canonical.h"
#include "descriptor-lang/layout/limits.h"
#include "tests/support/protocol_layouts.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::layout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(VerifiedLayout, RoundTripsThroughItsBytes) {
  std::vector<VerifiedLayout> layouts = {testing::SimpleLayout(), testing::BigLayout()};
  for (const v1::Layout& message : testing::ProtocolMessages()) {
    layouts.push_back(testing::Verified(message));
  }
  for (const VerifiedLayout& layout : layouts) {
    const absl::StatusOr<VerifiedLayout> again =
        VerifiedLayout::FromBytes(layout.canonical_bytes());
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->canonical_bytes(), layout.canonical_bytes());
    EXPECT_EQ(again->digest(), layout.digest());
    EXPECT_EQ(again->name(), layout.name());
    EXPECT_EQ(*again, layout);
  }
  EXPECT_FALSE(testing::SimpleLayout() == testing::BigLayout());
}

TEST(VerifiedLayout, DigestIsSha256OfTheBytesWithoutDocumentation) {
  const VerifiedLayout layout = testing::SimpleLayout();
  v1::Layout bare = layout.message();
  bare.clear_documentation();
  const std::string bytes = bare.SerializeAsString();
  unsigned char hash[32];
  ASSERT_EQ(EVP_Digest(bytes.data(), bytes.size(), hash, nullptr, EVP_sha256(), nullptr), 1);
  EXPECT_EQ(layout.digest(), std::string(reinterpret_cast<char*>(hash), sizeof hash));
  EXPECT_EQ(layout.digest_hex(), absl::BytesToHexString(layout.digest()));

  v1::Layout reworded = layout.message();
  reworded.mutable_documentation()->set_title("Other words");
  const absl::StatusOr<VerifiedLayout> other = VerifiedLayout::FromMessage(reworded);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->digest(), layout.digest());
  EXPECT_NE(other->canonical_bytes(), layout.canonical_bytes());
}

TEST(VerifiedLayout, AcceptsAnotherEncodingOfTheSameMessage) {
  const VerifiedLayout layout = testing::SimpleLayout();
  // The name once more, at the end: protobuf takes the last one.
  const std::string bytes = layout.canonical_bytes() + "\x0a\x0btest.simple";
  const absl::StatusOr<VerifiedLayout> again = VerifiedLayout::FromBytes(bytes);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->canonical_bytes(), layout.canonical_bytes());
}

TEST(VerifiedLayout, RefusesWhatIsNoLayout) {
  const std::string good = testing::SimpleLayout().canonical_bytes();
  EXPECT_THAT(std::string(VerifiedLayout::FromBytes("").status().message()), HasSubstr("name"));
  EXPECT_THAT(std::string(VerifiedLayout::FromBytes("\xff\xff garbage").status().message()),
              HasSubstr("no qsplit.v1.Layout"));
  EXPECT_THAT(
      std::string(
          VerifiedLayout::FromBytes(std::string(kMaxLayoutBytes + 1, '\0')).status().message()),
      HasSubstr("1048577 bytes exceed the limit of 1048576"));
  // An unknown field, well formed.
  EXPECT_THAT(std::string(VerifiedLayout::FromBytes(good + "\xf8\x7f\x01").status().message()),
              HasSubstr("fields that this version does not know"));
}

// Whatever was lost or turned over on the way: no crash, and what is accepted is canonical.
TEST(VerifiedLayout, SurvivesTruncationAndFlippedBits) {
  std::string good = testing::BigLayout().canonical_bytes();
  int refused = 0;
  const auto load = [&](const std::string& bytes) {
    const auto loaded = VerifiedLayout::FromBytes(bytes);
    if (!loaded.ok()) {
      ++refused;
      EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_FALSE(loaded.status().message().empty());
      return;
    }
    EXPECT_TRUE(loaded->canonical_bytes() == SerializeCanonical(Canonicalize(loaded->message())));
  };
  size_t tried = 0;
  std::vector<v1::Layout> layouts = testing::ProtocolMessages();
  layouts.push_back(testing::BigMessage());
  for (const v1::Layout& message : layouts) {
    good = SerializeCanonical(message);
    // Steps that meet every kind of byte in one layout or another.
    tried += good.size() / 5;
    for (size_t length = 0; length < good.size(); length += 7) load(good.substr(0, length));
    for (size_t i = 0; i < good.size(); i += 5) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << i % 8));
      load(bytes);
    }
  }
  // Most of the bytes are structure and references.
  EXPECT_GT(refused, static_cast<int>(tried / 2));
}

TEST(VerifiedLayout, FindsQueuesFormsAndFields) {
  const VerifiedLayout layout = testing::SimpleLayout();
  ASSERT_NE(layout.FindQueue(v1::DIRECTION_RECEIVE), nullptr);
  EXPECT_EQ(layout.FindQueue(v1::DIRECTION_RECEIVE)->name(), "receive");
  EXPECT_EQ(layout.FindQueue("transmit"), layout.FindQueue(v1::DIRECTION_TRANSMIT));
  EXPECT_EQ(layout.FindQueue(v1::DIRECTION_COMMAND), nullptr);
  EXPECT_EQ(layout.FindQueue("Receive"), nullptr);

  const std::optional<uint32_t> done = layout.FormIndex("RxDone");
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(layout.message().forms(static_cast<int>(*done)).name(), "RxDone");
  EXPECT_EQ(layout.FindForm("RxDone"), &layout.message().forms(static_cast<int>(*done)));
  EXPECT_EQ(layout.FormIndex("RxGone"), std::nullopt);
  EXPECT_EQ(layout.FindForm(""), nullptr);

  ASSERT_NE(layout.FindField(*done, Role::kPacketLength), nullptr);
  EXPECT_EQ(layout.FindField(*done, Role::kPacketLength)->name(), "length");
  EXPECT_EQ(layout.FindField(*done, "length"), layout.FindField(*done, Role::kPacketLength));
  EXPECT_THAT(layout.FieldsWithRole(*done, Role::kPacketLength),
              ElementsAre(*layout.FieldIndex(*done, "length")));
  EXPECT_EQ(layout.FindField(*done, Role::kTimestamp), nullptr);
  EXPECT_EQ(layout.FindField(*done, "nothing"), nullptr);
  EXPECT_EQ(layout.FindField(1000, Role::kPacketLength), nullptr);
  EXPECT_TRUE(layout.FieldsWithRole(1000, Role::kPacketLength).empty());
}

TEST(VerifiedLayout, FeatureChoicesDefaultToTheFirst) {
  v1::Form form;
  form.add_features()->set_feature(1);
  form.mutable_features(0)->set_choice(2);
  EXPECT_TRUE(Applies({}, {}));
  EXPECT_FALSE(Applies(form.features(), {}));
  const uint32_t chosen[] = {0, 2};
  EXPECT_TRUE(Applies(form.features(), chosen));
  form.mutable_features(0)->set_choice(0);
  EXPECT_FALSE(Applies(form.features(), chosen));
  EXPECT_TRUE(Applies(form.features(), {}));
}

}  // namespace
}  // namespace qsplit::layout
