// Numbers of virtio 1.2 that the driver uses; each names its section, or the macro of Linux
// include/uapi/linux/virtio_{config,pci,net}.h.
//
// The device writes what stands there, and while the function is leased whole, so may the client.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_REGISTERS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_REGISTERS_H_

#include <cstdint>

namespace qsplit::vfio::virtio_net {

// 4.1.4, cfg_type.
inline constexpr uint32_t kCapabilityCommon = 1;
inline constexpr uint32_t kCapabilityNotify = 2;
inline constexpr uint32_t kCapabilityDevice = 4;

// 4.1.4.3, struct virtio_pci_common_cfg: offsets in bytes. queue_reset is not there in structures
// of older versions.
inline constexpr uint64_t kDeviceFeatureSelect = 0;  // u32
inline constexpr uint64_t kDeviceFeature = 4;        // u32
inline constexpr uint64_t kDriverFeatureSelect = 8;  // u32
inline constexpr uint64_t kDriverFeature = 12;       // u32
inline constexpr uint64_t kConfigVector = 16;        // u16
inline constexpr uint64_t kNumQueues = 18;           // u16
inline constexpr uint64_t kDeviceStatus = 20;        // u8
inline constexpr uint64_t kQueueSelect = 22;         // u16
inline constexpr uint64_t kQueueSize = 24;           // u16
inline constexpr uint64_t kQueueVector = 26;         // u16
inline constexpr uint64_t kQueueEnable = 28;         // u16
inline constexpr uint64_t kQueueNotifyOffset = 30;   // u16
inline constexpr uint64_t kQueueDescriptors = 32;    // u64
inline constexpr uint64_t kQueueDriver = 40;         // u64
inline constexpr uint64_t kQueueDevice = 48;         // u64
inline constexpr uint64_t kQueueReset = 58;          // u16
inline constexpr uint32_t kCommonBytes = 56;         // VIRTIO_PCI_COMMON_Q_NDATA
inline constexpr uint32_t kCommonBytesWithReset = 60;
inline constexpr uint16_t kNoVector = 0xffff;  // VIRTIO_MSI_NO_VECTOR

// 2.1, device status.
inline constexpr uint8_t kAcknowledge = 1;
inline constexpr uint8_t kDriver = 2;
inline constexpr uint8_t kDriverOk = 4;
inline constexpr uint8_t kFeaturesOk = 8;
inline constexpr uint8_t kFailed = 128;
inline constexpr uint8_t kGone = 0xff;  // what a function that is gone reads as

// 6 and 5.1.3, feature bits.
constexpr uint64_t Bit(uint32_t bit) { return uint64_t{1} << bit; }
inline constexpr uint64_t kNetCsum = Bit(0);
inline constexpr uint64_t kNetMtu = Bit(3);
inline constexpr uint64_t kNetMac = Bit(5);
inline constexpr uint64_t kNetHostTso4 = Bit(11);
inline constexpr uint64_t kNetHostTso6 = Bit(12);
inline constexpr uint64_t kNetMergeBuffers = Bit(15);
inline constexpr uint64_t kNetStatus = Bit(16);
inline constexpr uint64_t kNetControlQueue = Bit(17);
inline constexpr uint64_t kNetControlRx = Bit(18);
inline constexpr uint64_t kNetMultiqueue = Bit(22);
inline constexpr uint64_t kNetControlMac = Bit(23);
inline constexpr uint64_t kVersion1 = Bit(32);
inline constexpr uint64_t kAccessPlatform = Bit(33);
inline constexpr uint64_t kRingPacked = Bit(34);
inline constexpr uint64_t kOrderPlatform = Bit(36);
inline constexpr uint64_t kRingReset = Bit(40);
inline constexpr uint64_t kNetRss = Bit(60);
inline constexpr uint64_t kNetSpeed = Bit(63);  // VIRTIO_NET_F_SPEED_DUPLEX

// 5.1.4, struct virtio_net_config: offsets in bytes.
inline constexpr uint64_t kNetConfigMac = 0;
inline constexpr uint64_t kNetConfigStatus = 6;        // u16
inline constexpr uint64_t kNetConfigPairs = 8;         // u16
inline constexpr uint64_t kNetConfigMtu = 10;          // u16
inline constexpr uint64_t kNetConfigSpeed = 12;        // u32, Mb/s
inline constexpr uint64_t kNetConfigRssKeyBytes = 17;  // u8
inline constexpr uint64_t kNetConfigRssTable = 18;     // u16, entries
inline constexpr uint64_t kNetConfigHashTypes = 20;    // u32
inline constexpr uint64_t kNetConfigRssEnd = 24;
inline constexpr uint32_t kNetConfigLeastBytes = 8;
inline constexpr uint16_t kNetStatusLinkUp = 1;

// 5.1.6.5, commands of the control queue: class and command.
struct ControlCommand {
  uint8_t of_class;
  uint8_t command;
  const char* name;  // for people
};
inline constexpr ControlCommand kRxPromiscuous{0, 0, "VIRTIO_NET_CTRL_RX_PROMISC"};
inline constexpr ControlCommand kRxAllMulticast{0, 1, "VIRTIO_NET_CTRL_RX_ALLMULTI"};
inline constexpr ControlCommand kMacTableSet{1, 0, "VIRTIO_NET_CTRL_MAC_TABLE_SET"};
inline constexpr ControlCommand kMacAddressSet{1, 1, "VIRTIO_NET_CTRL_MAC_ADDR_SET"};
inline constexpr ControlCommand kPairsSet{4, 0, "VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET"};
inline constexpr ControlCommand kRssConfig{4, 1, "VIRTIO_NET_CTRL_MQ_RSS_CONFIG"};
inline constexpr uint8_t kControlOk = 0;  // VIRTIO_NET_OK
// 5.1.6.4.3: IPv4, TCP and UDP over it, IPv6, TCP and UDP over it.
inline constexpr uint32_t kHashTypes = 0x3f;

}  // namespace qsplit::vfio::virtio_net

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_VIRTIO_NET_REGISTERS_H_
