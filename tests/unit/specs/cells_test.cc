// Cells beside rings: where Linux's virtio_ring.h has them, as the compiler lays it out, and the
// bits of if_xdp.h's and virtio_ring.h's flags.
#include <gtest/gtest.h>
#include <linux/if_xdp.h>
// Without what belongs to old drivers, which is no C++.
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_ring.h>

#include <cstddef>
#include <fstream>
#include <iterator>

#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::testing {
namespace {

layout::VerifiedLayout Load(const std::string& name) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return layout::VerifiedLayout::FromBytes(bytes).value();
}

// Offsets of the spec count from the first slot.
constexpr int64_t kFlags = offsetof(vring_avail, flags) - offsetof(vring_avail, ring);
constexpr int64_t kIndex = offsetof(vring_avail, idx) - offsetof(vring_avail, ring);
static_assert(kFlags ==
              static_cast<int64_t>(offsetof(vring_used, flags) - offsetof(vring_used, ring)));
static_assert(kIndex ==
              static_cast<int64_t>(offsetof(vring_used, idx) - offsetof(vring_used, ring)));

static_assert(VRING_USED_F_NO_NOTIFY == VRING_AVAIL_F_NO_INTERRUPT);

TEST(SpecCells, VirtioSplitHasThemWhereTheHeaderHasThem) {
  const layout::VerifiedLayout layout = Load("virtio.split");
  int cells = 0;
  for (const v1::Queue& queue : layout.message().queues()) {
    for (const v1::Ring& ring : queue.rings()) {
      for (const v1::IndexCell& cell : ring.cells()) {
        ++cells;
        EXPECT_EQ(cell.bytes(), sizeof(vring_avail::idx)) << ring.name() << "." << cell.name();
        switch (cell.meaning()) {
          case v1::CELL_MEANING_PRODUCER_COUNT:
            EXPECT_EQ(cell.offset_bytes(), kIndex) << ring.name();
            break;
          case v1::CELL_MEANING_NO_NOTIFICATION:
            EXPECT_EQ(cell.mask(), uint64_t{VRING_USED_F_NO_NOTIFY});  // the driver's is the same
            if (!cell.device_writes()) {
              EXPECT_EQ(cell.offset_bytes(), kFlags) << ring.name();
            }
            break;
          case v1::CELL_MEANING_EVENT_INDEX:
            // vring_used_event is the u16 behind the available ring's last slot.
            if (!cell.device_writes()) {
              EXPECT_TRUE(cell.behind_slots() && cell.offset_bytes() == 0);
            }
            break;
          default:
            ADD_FAILURE() << ring.name() << "." << cell.name();
        }
      }
    }
  }
  EXPECT_EQ(cells, 12);
}

TEST(SpecCells, AfXdpNeedsAWakeupByTheHeadersBit) {
  const layout::VerifiedLayout layout = Load("linux.af_xdp");
  int flags = 0;
  for (const v1::Queue& queue : layout.message().queues()) {
    for (const v1::Ring& ring : queue.rings()) {
      for (const v1::IndexCell& cell : ring.cells()) {
        EXPECT_EQ(cell.bytes(), sizeof(uint32_t));
        if (cell.meaning() != v1::CELL_MEANING_NEED_WAKEUP) continue;
        EXPECT_EQ(cell.mask(), static_cast<uint64_t>(XDP_RING_NEED_WAKEUP));
        EXPECT_TRUE(cell.device_writes());
        ++flags;
      }
    }
  }
  EXPECT_EQ(flags, 2);
}

}  // namespace
}  // namespace qsplit::testing
