#include "daemon/backend/common/ring_plan.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace qsplit::backend {
namespace {

layout::VerifiedLayout Shipped(const std::string& name) {
  std::ifstream file(std::filesystem::path(QSPLIT_LAYOUT_DIR) / (name + ".layout"),
                     std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  return *layout::VerifiedLayout::FromBytes(bytes);
}

const v1::Queue& Receive(const layout::VerifiedLayout& layout) {
  return *layout.FindQueue(v1::DIRECTION_RECEIVE);
}

TEST(RingPlan, HardwareNeitherSleepsNorAsks) {
  const layout::VerifiedLayout layout = Shipped("intel.igb.advanced");
  RingPlan plan(layout, {}, {.iova = 0x4000'0000, .sleeps = false});
  ASSERT_TRUE(plan.AddQueue(*layout.FindQueue(v1::DIRECTION_TRANSMIT), 3, 128, 512).ok());
  plan.Finish();
  ASSERT_EQ(plan.tx.size(), 1u);
  EXPECT_FALSE(plan.needs_wakeup());
  EXPECT_FALSE(plan.tx[0].event_request.has_value());
  EXPECT_FALSE(plan.tx[0].rings[0].need_wakeup.has_value());
  EXPECT_EQ(plan.tx[0].rings[0].iova, 0x4000'0000 + plan.tx[0].rings[0].slots.offset_bytes);
}

// 2.7.6 and 2.7.8 of virtio 1.2: the used ring's flags stand in front of it, what the device says
// about events behind it, and the driver's side finds both by the available ring's cells.
constexpr FixedCell kUsed[] = {
    {"available", "no_notify", "used", -4, false},
    {"available", "available_event", "used", 0, true},
};

TEST(RingPlan, PutsFixedCellsBesideTheRingThatHasThem) {
  const layout::VerifiedLayout layout = Shipped("virtio.split");
  const v1::Queue& queue = Receive(layout);
  for (const uint32_t slots : {2u, 256u, 512u, 4096u}) {
    RingPlan plan(layout, {}, {.sleeps = false, .fixed_cells = kUsed});
    ASSERT_TRUE(plan.AddQueue(queue, 0, slots, 512).ok());
    const uint64_t bytes = plan.Finish();
    const device::QueueGrant& grant = plan.rx[0];
    uint64_t no_notify = 0, available_event = 0;
    const v1::Ring& available = queue.rings(1);
    ASSERT_EQ(available.name(), "available");
    for (int c = 0; c < available.cells_size(); ++c) {
      const uint64_t at = grant.rings[1].cells[static_cast<size_t>(c)].offset_bytes;
      if (available.cells(c).name() == "no_notify") no_notify = at;
      if (available.cells(c).name() == "available_event") available_event = at;
    }
    const uint64_t used = grant.rings[2].slots.offset_bytes;
    EXPECT_EQ(no_notify, used - 4);
    EXPECT_EQ(available_event, used + uint64_t{slots} * 8);
    EXPECT_LE(available_event + 2, bytes);
    // Nothing else stands there.
    for (const device::RingGrant& ring : grant.rings) {
      const bool apart =
          ring.slots.offset_bytes > available_event || ring.slots.offset_bytes <= used;
      EXPECT_TRUE(apart) << slots << " slots";
    }
  }
}

}  // namespace
}  // namespace qsplit::backend
