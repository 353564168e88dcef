// What a device writes over a request in front of a packet's bytes, taken apart: the verifier wants
// it in a form of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "descriptor-lang/layout/canonical.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::testing {
namespace {

using ::testing::HasSubstr;

// The layout with its rule, and the form that answers it, as `change` leaves them.
absl::Status Verified(const std::function<void(v1::Layout&, v1::ContextRule&)>& change) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/linux.af_xdp.layout", std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  v1::Layout message = layout::VerifiedLayout::FromBytes(bytes.str())->message();
  for (v1::Queue& queue : *message.mutable_queues()) {
    for (v1::ContextRule& rule : *queue.mutable_contexts()) change(message, rule);
  }
  return layout::VerifiedLayout::FromMessage(layout::Canonicalize(message)).status();
}

uint32_t FormOf(const v1::Layout& message, const std::string& name) {
  for (int i = 0; i < message.forms_size(); ++i) {
    if (message.forms(i).name() == name) return static_cast<uint32_t>(i);
  }
  return UINT32_MAX;
}

TEST(Answers, AreOptional) {
  EXPECT_TRUE(Verified([](v1::Layout&, v1::ContextRule&) {}).ok());
  EXPECT_TRUE(Verified([](v1::Layout&, v1::ContextRule& rule) { rule.clear_done_form(); }).ok());
}

TEST(Answers, StandNowhereElse) {
  const absl::Status status = Verified([](v1::Layout& message, v1::ContextRule& rule) {
    rule.set_done_form(FormOf(message, "CompletionEntry"));
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("done form CompletionEntry also stands in `transmit`.`completions`"));
}

TEST(Answers, AreNotTheQuestion) {
  const absl::Status status =
      Verified([](v1::Layout&, v1::ContextRule& rule) { rule.set_done_form(rule.form()); });
  EXPECT_THAT(std::string(status.message()), HasSubstr("it must be another form"));
}

TEST(Answers, AreNoLonger) {
  const absl::Status status = Verified([](v1::Layout& message, v1::ContextRule& rule) {
    message.mutable_forms(static_cast<int>(rule.done_form()))->set_size_bytes(32);
  });
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("form TxMetadataDone of 32 bytes answers TxMetadata of 24"));
}

TEST(Answers, AreOnlyOfWhatStandsBeforeBytes) {
  const absl::Status status =
      Verified([](v1::Layout&, v1::ContextRule& rule) { rule.set_before_bytes(false); });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(Answers, AreFormsOfTheLayout) {
  const absl::Status status =
      Verified([](v1::Layout&, v1::ContextRule& rule) { rule.set_done_form(99); });
  EXPECT_THAT(std::string(status.message()), HasSubstr("done form"));
}

}  // namespace
}  // namespace qsplit::testing
