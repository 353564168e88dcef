#include "daemon/region/region_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/policy/error.h"

namespace qsplit::region {
namespace {

using ::testing::HasSubstr;

OfferedMemory Memory(uint64_t inode = 1, uint64_t size = 0x10000) {
  OfferedMemory memory;
  memory.fd = std::make_shared<const linux_sys::OwnedFd>();
  memory.is_memfd = true;
  memory.kind = "memfd";
  memory.seal_shrink = true;
  memory.writable = true;
  memory.size_bytes = size;
  memory.page_bytes = 0x1000;
  memory.device = 5;
  memory.inode = inode;
  return memory;
}

constexpr RegionQuota kPlenty{100, uint64_t{1} << 40};

class RegionTableTest : public ::testing::Test {
 protected:
  absl::StatusOr<const Region*> Register(const RegionRequest& request,
                                         const OfferedMemory& memory = Memory(),
                                         session::SessionId session = 1,
                                         const RegionQuota& quota = kPlenty) {
    return table_.Register(session, 1000, "t", memory, request, quota);
  }
  void Refuses(const absl::StatusOr<const Region*>& answer, v1::ErrorReason reason,
               std::string_view words) {
    EXPECT_EQ(answer.status().code(), policy::CodeOf(reason)) << answer.status();
    EXPECT_EQ(policy::DetailOf(answer.status()).value_or(v1::ErrorDetail()).reason(), reason);
    EXPECT_THAT(std::string(answer.status().message()), HasSubstr(std::string(words)));
  }

  RegionTable table_;
};

TEST_F(RegionTableTest, RegistersWhatIsInOrder) {
  const auto region = Register({0x1000, 0x2000, true, "buffers"});
  ASSERT_TRUE(region.ok()) << region.status();
  EXPECT_EQ((*region)->id, 1U);
  EXPECT_EQ((*region)->offset_bytes, 0x1000U);
  EXPECT_FALSE((*region)->device_writable);
  ASSERT_EQ(table_.List().size(), 1U);
  EXPECT_EQ(table_.List()[0]->session, 1U);
}

TEST_F(RegionTableTest, RefusesWhatIsNoSealedMemfd) {
  OfferedMemory pipe = Memory();
  pipe.is_memfd = false;
  pipe.kind = "pipe";
  Refuses(Register({0, 0x1000}, pipe), v1::ERROR_REASON_NOT_A_MEMFD, "is a pipe");
  OfferedMemory loose = Memory();
  loose.seal_shrink = false;
  Refuses(Register({0, 0x1000}, loose), v1::ERROR_REASON_MISSING_SEAL, "F_SEAL_SHRINK");
  OfferedMemory sealed = Memory();
  sealed.write_sealed = true;
  Refuses(Register({0, 0x1000}, sealed), v1::ERROR_REASON_MALFORMED, "read_only");
  EXPECT_TRUE(Register({0, 0x1000, true}, sealed).ok());
}

TEST_F(RegionTableTest, SaysHowToAlign) {
  const auto answer = Register({0, 0x1800});
  Refuses(answer, v1::ERROR_REASON_MISALIGNED,
          "length 0x1800 is not a multiple of the page size 0x1000; round up to 0x2000");
  Refuses(Register({0x10, 0x1000}), v1::ERROR_REASON_MISALIGNED, "offset 0x10");
  Refuses(Register({0, ~uint64_t{0}}), v1::ERROR_REASON_MISALIGNED, "round down");
}

TEST_F(RegionTableTest, RefusesWhatReachesPastTheEnd) {
  Refuses(Register({0, 0}), v1::ERROR_REASON_OUT_OF_RANGE, "length is 0");
  Refuses(Register({0, 0x11000}), v1::ERROR_REASON_TOO_SMALL, "0x10000");
  Refuses(Register({0x10000, 0x1000}), v1::ERROR_REASON_TOO_SMALL, "past");
  Refuses(Register({0x20000, 0x1000}), v1::ERROR_REASON_TOO_SMALL, "past");
  // The sum wraps to 0.
  Refuses(Register({0xfffffffffffff000, 0x1000}), v1::ERROR_REASON_TOO_SMALL, "past");
  Refuses(Register({0x1000, 0xfffffffffffff000}), v1::ERROR_REASON_TOO_SMALL, "past");
  EXPECT_TRUE(Register({0, 0x10000}).ok());
}

TEST_F(RegionTableTest, RefusesTheSameBytesTwiceInASession) {
  ASSERT_TRUE(Register({0x2000, 0x2000}).ok());
  Refuses(Register({0x3000, 0x2000}), v1::ERROR_REASON_OVERLAP, "0x2000..0x3fff");
  Refuses(Register({0x1000, 0x2000}), v1::ERROR_REASON_OVERLAP, "region 1");
  Refuses(Register({0x2000, 0x2000}), v1::ERROR_REASON_OVERLAP, "region 1");
  EXPECT_TRUE(Register({0x4000, 0x1000}).ok());
  EXPECT_TRUE(Register({0x1000, 0x1000}).ok());
  EXPECT_TRUE(Register({0x2000, 0x2000}, Memory(2)).ok()) << "another memfd";
  EXPECT_TRUE(Register({0x2000, 0x2000}, Memory(1), 2).ok()) << "another session";
}

TEST_F(RegionTableTest, KeepsQuotasOverAllSessionsOfATenant) {
  ASSERT_TRUE(Register({0, 0x1000}, Memory(1), 1, {2, 0x3000}).ok());
  Refuses(Register({0, 0x3000}, Memory(2), 2, {2, 0x3000}), v1::ERROR_REASON_QUOTA, "0x3000");
  ASSERT_TRUE(Register({0, 0x2000}, Memory(2), 2, {2, 0x3000}).ok());
  Refuses(Register({0, 0x1000}, Memory(3), 3, {2, 0x9000}), v1::ERROR_REASON_QUOTA, "2 regions");
  EXPECT_TRUE(table_.Register(4, 1, "other", Memory(), {0, 0x1000}, {2, 0x3000}).ok());
}

TEST_F(RegionTableTest, KeepsARegionThatALeaseUses) {
  const RegionId id = (*Register({0, 0x1000}))->id;
  table_.Use(id, 9);
  EXPECT_EQ(table_.Unregister(1, id).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(table_.Unregister(2, id).status().code(), absl::StatusCode::kNotFound);
  table_.Unuse(id, 9);
  EXPECT_TRUE(table_.Unregister(1, id).ok());
  EXPECT_EQ(table_.Unregister(1, id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(table_.size(), 0U);
}

TEST_F(RegionTableTest, GivesRegionsToTheirSessionOnly) {
  const RegionId id = (*Register({0, 0x1000}))->id;
  EXPECT_TRUE(table_.Get(1, id, "region_ids").ok());
  EXPECT_EQ(table_.Get(2, id, "region_ids").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(table_.Get(1, id + 1, "region_ids").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RegionTableTest, ForgetsASession) {
  const auto used = (*Register({0, 0x1000}))->id;
  ASSERT_TRUE(Register({0x1000, 0x1000}).ok());
  ASSERT_TRUE(Register({0, 0x1000}, Memory(), 2).ok());
  table_.Use(used, 1);
  EXPECT_EQ(table_.RemoveAll(1).size(), 2U);
  EXPECT_EQ(table_.size(), 1U);
  table_.Unuse(used, 1);  // of one that is gone: nothing happens
}

TEST_F(RegionTableTest, RefusesLongNames) {
  Refuses(Register({0, 0x1000, false, std::string(65, 'n')}), v1::ERROR_REASON_MALFORMED,
          "65 bytes");
}

}  // namespace
}  // namespace qsplit::region
