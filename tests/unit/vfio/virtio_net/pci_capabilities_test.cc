// Capabilities out of configuration spaces that are right, wrong and hostile.
#include "daemon/backend/vfio/virtio_net/pci_capabilities.h"

#include <gmock/gmock.h>

#include <cstring>

namespace qsplit::vfio::virtio_net {
namespace {

using ::testing::HasSubstr;

class PciCapabilitiesTest : public ::testing::Test {
 protected:
  PciCapabilitiesTest() {
    Put(0x06, 0x10, 2);
    Put(0x34, 0x40, 1);
    Put(0x40, 0x11, 1);
    Put(0x41, 0x50, 1);
    Put(0x42, 0x8003, 2);
    Capability(0x50, 0x60, 1, 4, 0, 0x1000);
    Capability(0x60, 0x70, 3, 4, 0x1000, 0x1000);
    Capability(0x70, 0x84, 4, 4, 0x2000, 0x1000);
    Capability(0x84, 0, 2, 4, 0x3000, 0x1000);
    Put(0x84 + 16, 4, 4);
  }
  void Put(size_t at, uint32_t value, uint32_t bytes) {
    std::memcpy(config.data() + at, &value, bytes);
  }
  void Capability(uint32_t at, uint32_t next, uint32_t type, uint32_t bar, uint32_t offset,
                  uint32_t length) {
    Put(at, 9, 1);
    Put(at + 1, next, 1);
    Put(at + 2, type == 2 ? 20 : 16, 1);
    Put(at + 3, type, 1);
    Put(at + 4, bar, 1);
    Put(at + 8, offset, 4);
    Put(at + 12, length, 4);
  }
  std::string Refusal() const {
    const auto found = FindCapabilities(config, bars);
    EXPECT_EQ(found.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(found.status().message());
  }

  std::array<std::byte, kConfigSpaceBytes> config{};
  std::array<uint64_t, kBars> bars{0, 0x1000, 0, 0, 0x4000, 0};
};

TEST_F(PciCapabilitiesTest, FindsWhatADeviceHas) {
  const auto found = FindCapabilities(config, bars);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->common.bar, 4u);
  EXPECT_EQ(found->common.offset, 0u);
  EXPECT_EQ(found->device.offset, 0x2000u);
  EXPECT_EQ(found->notify.offset, 0x3000u);
  EXPECT_EQ(found->notify.bytes, 0x1000u);
  EXPECT_EQ(found->notify_multiplier, 4u);
  EXPECT_EQ(found->vectors, 4u);
}

TEST_F(PciCapabilitiesTest, ListsThatLeadNowhere) {
  Put(0x85, 0x50, 1);
  EXPECT_THAT(Refusal(), HasSubstr("never ends"));
  Put(0x85, 0x84, 1);
  EXPECT_THAT(Refusal(), HasSubstr("never ends"));
  Put(0x85, 0x10, 1);
  EXPECT_THAT(Refusal(), HasSubstr("inside of the header"));
  Put(0x06, 0, 2);
  EXPECT_THAT(Refusal(), HasSubstr("no PCI capabilities"));
}

TEST_F(PciCapabilitiesTest, StructuresThatAreNotThere) {
  Put(0x73, 9, 1);
  EXPECT_THAT(Refusal(), HasSubstr("device configuration capability is missing"));
  Put(0x73, 4, 1);
  Put(0x53, 5, 1);
  EXPECT_THAT(Refusal(), HasSubstr("common configuration capability is missing"));
  config.fill(std::byte{0xff});
  EXPECT_THAT(Refusal(), HasSubstr("never ends"));
}

TEST_F(PciCapabilitiesTest, StructuresThatTheirBarDoesNotHave) {
  Put(0x54, 6, 1);
  EXPECT_THAT(Refusal(), HasSubstr("BAR 6"));
  Put(0x54, 2, 1);
  EXPECT_THAT(Refusal(), HasSubstr("BAR 2, which is not there"));
  Put(0x54, 1, 1);
  Put(0x5c, 0x1001, 4);
  EXPECT_THAT(Refusal(), HasSubstr("ends at 4096"));
  Put(0x58, 0xffffffff, 4);
  Put(0x5c, 0xffffffff, 4);
  EXPECT_THAT(Refusal(), HasSubstr("ends at 4096"));
  Put(0x58, 0x1000, 4);
  Put(0x5c, 0, 4);
  EXPECT_THAT(Refusal(), HasSubstr("0 bytes where 56"));
}

TEST_F(PciCapabilitiesTest, StructuresThatAreTooSmallOrAskew) {
  Put(0x5c, 55, 4);
  EXPECT_THAT(Refusal(), HasSubstr("55 bytes where 56"));
  Put(0x5c, 56, 4);
  Put(0x58, 2, 4);
  EXPECT_THAT(Refusal(), HasSubstr("begins at 2"));
  Put(0x58, 0, 4);
  Put(0x52, 15, 1);
  EXPECT_THAT(Refusal(), HasSubstr("15 bytes long where 16"));
  Put(0x52, 255, 1);
  EXPECT_THAT(Refusal(), HasSubstr("255 bytes long"));
  Put(0x52, 16, 1);
  Put(0x86, 16, 1);
  EXPECT_THAT(Refusal(), HasSubstr("notification capability is 16 bytes long where 20"));
  Put(0x86, 20, 1);
  for (const uint32_t multiplier : {1u, 3u, 0xffffffffu}) {
    Put(0x94, multiplier, 4);
    EXPECT_THAT(Refusal(), HasSubstr("multiplies by"));
  }
  Put(0x94, 0, 4);
  EXPECT_TRUE(FindCapabilities(config, bars).ok());
}

// 4.1.4.1: the first one that can be used.
TEST_F(PciCapabilitiesTest, OfSeveralTheFirstThatCanBeUsedCounts) {
  Put(0x85, 0xa0, 1);
  Capability(0xa0, 0xb4, 1, 2, 0, 0x1000);  // a BAR of ports, and a further one
  Capability(0xb4, 0, 1, 1, 0, 0x1000);
  ASSERT_TRUE(FindCapabilities(config, bars).ok());
  EXPECT_EQ(FindCapabilities(config, bars)->common.bar, 4u);
  Put(0x54, 2, 1);
  ASSERT_TRUE(FindCapabilities(config, bars).ok());
  EXPECT_EQ(FindCapabilities(config, bars)->common.bar, 1u);
}

}  // namespace
}  // namespace qsplit::vfio::virtio_net
