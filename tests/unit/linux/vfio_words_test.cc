#include "daemon/linux/vfio_words.h"

#include <gmock/gmock.h>

#include <cerrno>

namespace qsplit::linux_sys {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

VfioOpenFacts Facts() { return {.address = {0, 1, 0, 0}, .group = 7}; }

// Code and words of a refusal to open.
void Expect(VfioStep step, int error, const VfioOpenFacts& facts, StatusCode code,
            const ::testing::Matcher<std::string>& words) {
  const absl::Status status = VfioOpenRefusal(step, error, facts);
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(words, HasSubstr("0000:01:00.0"), HasSubstr("group 7")));
}

TEST(VfioWords, WhatIsMissingIsNamedWithWhatToDo) {
  Expect(VfioStep::kOpenContainer, ENOENT, Facts(), StatusCode::kFailedPrecondition,
         HasSubstr("modprobe vfio-pci"));
  Expect(VfioStep::kApiVersion, 0, Facts(), StatusCode::kFailedPrecondition,
         HasSubstr("modprobe vfio_iommu_type1"));
  Expect(VfioStep::kOpenGroup, ENOENT, Facts(), StatusCode::kFailedPrecondition,
         AllOf(HasSubstr("/dev/vfio/7 is not there"), HasSubstr("modprobe vfio-pci")));
  Expect(VfioStep::kDeviceFd, ENODEV, Facts(), StatusCode::kFailedPrecondition,
         HasSubstr("not bound to vfio-pci"));
}

TEST(VfioWords, AGroupThatIsOpenElsewhereIsUnavailable) {
  Expect(VfioStep::kOpenGroup, EBUSY, Facts(), StatusCode::kUnavailable,
         AllOf(HasSubstr("open elsewhere"), HasSubstr("fuser /dev/vfio/7")));
  Expect(VfioStep::kSetContainer, EBUSY, Facts(), StatusCode::kUnavailable, HasSubstr("fuser"));
  Expect(VfioStep::kOpenGroup, EACCES, Facts(), StatusCode::kPermissionDenied,
         HasSubstr("may not open"));
}

TEST(VfioWords, AGroupWithoutAnIommuIsRefusedByName) {
  VfioOpenFacts facts = Facts();
  facts.noiommu_node = true;
  Expect(VfioStep::kOpenGroup, ENOENT, facts, StatusCode::kFailedPrecondition,
         AllOf(HasSubstr("/dev/vfio/noiommu-7"), HasSubstr("IOMMU on")));
}

TEST(VfioWords, AGroupThatIsNotViableNamesTheStrangers) {
  VfioOpenFacts facts = Facts();
  facts.members = {{{0, 0, 1, 0}, "pcieport", true},
                   {{0, 1, 0, 0}, "vfio-pci", false},
                   {{0, 1, 0, 1}, "igb", false},
                   {{0, 1, 0, 2}, "", false},
                   {{0, 1, 0, 3}, "e1000e", false}};
  Expect(VfioStep::kViable, 0, facts, StatusCode::kFailedPrecondition,
         AllOf(HasSubstr("0000:01:00.1 (driver igb), 0000:01:00.3 (driver e1000e)"),
               Not(HasSubstr("pcieport")), Not(HasSubstr("00.2"))));
}

TEST(VfioWords, MissingInterruptRemappingIsToldFromOtherTroubleOfTheIommu) {
  Expect(VfioStep::kSetIommu, EPERM, Facts(), StatusCode::kFailedPrecondition,
         AllOf(HasSubstr("interrupt remapping"), HasSubstr("intremap=off")));
  Expect(VfioStep::kSetIommu, ENODEV, Facts(), StatusCode::kFailedPrecondition,
         HasSubstr("vfio_iommu_type1"));
  Expect(VfioStep::kSetIommu, ENOMEM, Facts(), StatusCode::kResourceExhausted,
         HasSubstr("VFIO_SET_IOMMU"));
}

TEST(VfioWords, AVfWithoutItsTokenIsTold) {
  VfioOpenFacts facts = Facts();
  facts.is_vf = true;
  Expect(VfioStep::kDeviceFd, EACCES, facts, StatusCode::kPermissionDenied,
         AllOf(HasSubstr("VF token"), HasSubstr("none is given")));
  Expect(VfioStep::kDeviceFd, EINVAL, facts, StatusCode::kFailedPrecondition,
         HasSubstr("wants the PF's VF token"));
  facts.token_given = true;
  Expect(VfioStep::kDeviceFd, EACCES, facts, StatusCode::kPermissionDenied,
         HasSubstr("this is not it"));
  Expect(VfioStep::kDeviceFd, EINVAL, facts, StatusCode::kFailedPrecondition,
         HasSubstr("leave the token out"));
  facts.is_vf = false;
  Expect(VfioStep::kDeviceFd, EACCES, facts, StatusCode::kPermissionDenied,
         HasSubstr("its VFs are in use"));
}

TEST(VfioWords, AnUnknownErrorKeepsItsName) {
  Expect(VfioStep::kDeviceFd, EIO, Facts(), StatusCode::kUnknown,
         AllOf(HasSubstr("VFIO_GROUP_GET_DEVICE_FD"), HasSubstr("EIO")));
}

absl::Status Dma(int error, DmaFacts facts) {
  facts.iova = 0x100000;
  facts.length_bytes = 8192;
  absl::Status status = DmaRefusal(error, facts);
  EXPECT_THAT(std::string(status.message()), HasSubstr("8192 bytes at iova 0x100000"));
  return status;
}

TEST(VfioWords, LimitsOfMappingsAreNamedWithTheirValue) {
  const absl::Status locked = Dma(ENOMEM, {.may_lock = false, .memlock_bytes = 65536});
  EXPECT_EQ(locked.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(
      std::string(locked.message()),
      AllOf(HasSubstr("RLIMIT_MEMLOCK"), HasSubstr("65536 bytes"), HasSubstr("CAP_IPC_LOCK")));
  for (const int error : {ENOSPC, ENOMEM}) {
    const absl::Status entries =
        Dma(error, {.memlock_bytes = 65536, .mappings_limit = 1024, .mappings_left = 0});
    EXPECT_EQ(entries.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(entries.message()),
                AllOf(HasSubstr("dma_entry_limit 1024"), HasSubstr("vfio_iommu_type1")));
  }
}

TEST(VfioWords, MemoryThatIsOutIsNotCalledALimit) {
  for (const DmaFacts& facts : {DmaFacts{.may_lock = true, .memlock_bytes = 65536},
                                DmaFacts{.may_lock = false, .memlock_bytes = std::nullopt}}) {
    const absl::Status status = Dma(ENOMEM, facts);
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("RLIMIT")));
  }
}

TEST(VfioWords, AMappingThatCannotBeIsToldWhy) {
  EXPECT_EQ(Dma(EEXIST, {}).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Dma(EFAULT, {}).code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Dma(EINVAL, {}).message()), HasSubstr("multiples of the IOMMU's page"));
}

}  // namespace
}  // namespace qsplit::linux_sys
