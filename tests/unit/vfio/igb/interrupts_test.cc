// MSI-X of the PF: each queue's cause to its vector, and no cause that must be asked for again.
#include <gtest/gtest.h>

#include "tests/unit/vfio/igb/fake_pf.h"

namespace qsplit {
namespace {

using namespace vfio::igb;  // registers
using test::StartedPf;

uint32_t IvarByte(const test::FakePf& pf, uint32_t ivar, uint32_t byte) {
  return pf.Reg(Ivar(ivar)) >> 8 * byte & 0xff;
}

TEST(IgbInterrupts, MsixModeComesBeforeTheMasksThatDependOnIt) {
  StartedPf it;
  EXPECT_EQ(it.pf.Reg(kGpie), 0x80000011u);  // PBA, MSI-X, NSICR; no auto mask
  EXPECT_LT(it.pf.LastWrite(kGpie), it.pf.LastWrite(kEiac));
  EXPECT_LT(it.pf.LastWrite(kGpie), it.pf.LastWrite(kEims));
  // Cleared as they fire, never masked by that: each completion signals.
  EXPECT_EQ(it.pf.Reg(kEiac), 0x3ffu);
  EXPECT_EQ(it.pf.Reg(kEims), 0x3ffu);
  EXPECT_EQ(it.pf.Reg(kEiam), 0u);
  EXPECT_EQ(it.pf.Reg(kIam), 0u);
  EXPECT_EQ(it.pf.Reg(kIms), kCauseLink | kCauseMailbox);
  EXPECT_EQ(it.pf.Reg(kIvarMisc), 0x8000u);
  EXPECT_EQ(it.pf.Reg(Eitr(0)), 1000u << 2);
  for (uint32_t vector = 1; vector < 10; ++vector) EXPECT_EQ(it.pf.Reg(Eitr(vector)), 20u << 2);
}

TEST(IgbInterrupts, EachQueueHasTheVectorThatItIsSaidToHave) {
  StartedPf it;
  EXPECT_EQ(it.driver->OtherVector(), 0u);
  for (uint32_t queue = 0; queue < 16; ++queue) {
    const auto vector = it.driver->VectorOf(true, queue);
    ASSERT_TRUE(vector.has_value());
    EXPECT_GE(*vector, 1u);
    EXPECT_LE(*vector, 9u);
    if (queue < 15) {
      EXPECT_EQ(it.driver->VectorOf(false, queue), vector);
    }
    const uint32_t byte = queue < 8 ? 0 : 2;
    EXPECT_EQ(IvarByte(it.pf, queue % 8, byte), *vector | 0x80) << queue;
    EXPECT_EQ(IvarByte(it.pf, queue % 8, byte + 1), *vector | 0x80) << queue;
  }
  EXPECT_FALSE(it.driver->VectorOf(false, 15).has_value());
  EXPECT_FALSE(it.driver->VectorOf(true, 16).has_value());
}

TEST(IgbInterrupts, TheI350PairsNeighbours) {
  StartedPf it(test::kI350);
  for (uint32_t queue = 0; queue < 8; ++queue) {
    const uint32_t byte = queue % 2 * 2;
    const uint32_t entry = *it.driver->VectorOf(true, queue) | 0x80;
    EXPECT_EQ(IvarByte(it.pf, queue / 2, byte), entry) << queue;
    EXPECT_EQ(IvarByte(it.pf, queue / 2, byte + 1), entry) << queue;
  }
  EXPECT_EQ(it.pf.Reg(Ivar(4)), 0u);
}

TEST(IgbInterrupts, LeavesVfsTheirVectorsAndTheirRoutes) {
  test::FakePf pf;
  auto driver = vfio::MakeIgb(test::k82576, false, pf);
  ASSERT_TRUE(driver->Start(test::VfSettings(7)).ok());
  // 25 causes, three for each VF.
  EXPECT_EQ(driver->facts().vectors, 4u);
  EXPECT_EQ(pf.Reg(kEims), 0xfu);
  EXPECT_EQ(pf.Reg(Ivar(0)), 0u);
  EXPECT_NE(pf.Reg(Ivar(7)), 0u);
  EXPECT_LT(*driver->VectorOf(false, 0), 4u);
}

TEST(IgbInterrupts, ServiceReadsTheCausesAway) {
  StartedPf it;
  int reads = 0;
  it.pf.bar.OnRead(kIcr, [&] {
    ++reads;
    return kCauseLink;
  });
  it.driver->Service();
  EXPECT_EQ(reads, 1);
  it.pf.gone = true;
  it.driver->Service();
  EXPECT_EQ(reads, 1);
}

}  // namespace
}  // namespace qsplit
