#include "daemon/policy/error.h"

#include <gtest/gtest.h>

namespace qsplit::policy {
namespace {

TEST(Error, CarriesItsDetailAndTheCodeOfItsReason) {
  const absl::Status status =
      Error(v1::ERROR_REASON_MISALIGNED, "length_bytes", "0x1800", "0x1000", "round up");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const auto detail = DetailOf(status);
  ASSERT_TRUE(detail);
  EXPECT_EQ(detail->reason(), v1::ERROR_REASON_MISALIGNED);
  EXPECT_EQ(detail->field(), "length_bytes");
  EXPECT_EQ(detail->value(), "0x1800");
  EXPECT_EQ(detail->limit(), "0x1000");
}

TEST(Error, NamesTheCallAndKeepsTheDetail) {
  const absl::Status status =
      InCall("AddRule", Error(v1::ERROR_REASON_RULES_FULL, "", "", "16", "no room"));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "AddRule: no room");
  ASSERT_TRUE(DetailOf(status));
  EXPECT_EQ(DetailOf(status)->limit(), "16");
  EXPECT_TRUE(InCall("AddRule", absl::OkStatus()).ok());
}

TEST(Error, EveryReasonOfTheContractHasACode) {
  for (int i = v1::ErrorReason_MIN; i <= v1::ErrorReason_MAX; ++i) {
    if (i == v1::ERROR_REASON_UNSPECIFIED || !v1::ErrorReason_IsValid(i)) continue;
    EXPECT_NE(CodeOf(static_cast<v1::ErrorReason>(i)), absl::StatusCode::kUnknown) << i;
  }
}

TEST(Error, GivesDevicesAnswersAReason) {
  const auto reason = [](const absl::Status& status) {
    return DetailOf(FromDevice(status)).value_or(v1::ErrorDetail()).reason();
  };
  EXPECT_EQ(reason(absl::UnimplementedError("no RSS")), v1::ERROR_REASON_UNSUPPORTED);
  EXPECT_EQ(reason(absl::UnavailableError("reset")), v1::ERROR_REASON_NOT_READY);
  EXPECT_EQ(FromDevice(absl::UnimplementedError("no RSS")).message(), "no RSS");
  const absl::Status own = Error(v1::ERROR_REASON_QUOTA, "f", "", "", "m");
  EXPECT_EQ(reason(own), v1::ERROR_REASON_QUOTA);
  EXPECT_TRUE(FromDevice(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace qsplit::policy
