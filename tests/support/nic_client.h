// A client of a device in the test's own process: registers memory, opens queues, drives them with
// the data plane's driver sides. What a client of the daemon does, without the daemon.
//
//   its memfd:   | canary | receive buffers | transmit buffers | scratch | canary |
//                         ^ iova                 the region              ^
#ifndef QSPLIT_TESTS_SUPPORT_NIC_CLIENT_H_
#define QSPLIT_TESTS_SUPPORT_NIC_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/device/device.h"
#include "daemon/linux/mapping.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_driver.h"

namespace qsplit::testing {

struct ClientOptions {
  device::LeaseId lease = 1;
  std::vector<uint32_t> rx_queues;
  std::vector<uint32_t> tx_queues;
  uint32_t slots = 64;
  uint32_t buffer_bytes = 2048;
  bool join_rss = false;
  bool device_writable = true;
  bool post = true;                // fill the receive rings
  std::vector<uint32_t> features;  // one for each of the layout's; those left out are 0
  device::SourceFilter source;
};

struct Received {
  std::vector<uint8_t> bytes;
  dataplane::RxMetadata meta;
  uint32_t buffers = 0;
};

class NicClient {
 public:
  static constexpr uint64_t kIova = 0x1000'0000;
  static constexpr uint64_t kCanaryBytes = 64 * 1024;
  static constexpr uint32_t kTxBufferBytes = 65536;
  static constexpr uint32_t kTxBuffers = 16;             // for each queue
  static constexpr uint32_t kScratchBytes = 256 * 1024;  // for each transmit queue

  static absl::StatusOr<std::unique_ptr<NicClient>> Open(device::Device* device,
                                                         const layout::VerifiedLayout& layout,
                                                         const ClientOptions& options);

  // Sends a packet out of one buffer, or of pieces of these lengths. False: no room.
  bool Send(size_t queue, std::span<const uint8_t> frame, const dataplane::TxRequest& request = {},
            std::span<const uint32_t> pieces = {});
  // The next packet of a queue (an index into rx_queues), its buffers posted again.
  std::optional<Received> Receive(size_t queue, absl::Duration patience = absl::Seconds(10));
  // Whether all packets that were sent have come back before the time is over.
  bool AwaitSent(size_t queue, absl::Duration patience = absl::Seconds(10));
  // Fills the receive ring.
  void Post(size_t queue);
  void Wake();

  bool CanariesWhole() const;
  std::byte* At(const device::Place& place) const {
    return areas_[place.area].data() + place.offset_bytes;
  }
  std::byte* region() const { return memory_.data() + kCanaryBytes; }
  uint64_t region_bytes() const { return region_bytes_; }
  const device::Grant& grant() const { return grant_; }
  dataplane::RxDriver& rx(size_t queue) { return rx_[queue].driver; }
  dataplane::TxDriver& tx(size_t queue) { return tx_[queue].driver; }
  int EventFd(const device::QueueGrant& queue) const {
    return grant_.fds[*queue.event_fd].fd->get();
  }

 private:
  struct Rx {
    dataplane::RxDriver driver;
    uint64_t offset = 0;  // of its first buffer in the region
    std::vector<uint32_t> free;
  };
  struct Tx {
    dataplane::TxDriver driver;
    uint64_t offset = 0;
    std::vector<uint32_t> free;
  };

  NicClient() = default;

  linux_sys::Mapping memory_;
  uint64_t region_bytes_ = 0;
  uint32_t buffer_bytes_ = 0;
  device::Grant grant_;
  std::vector<linux_sys::Mapping> areas_;
  std::vector<Rx> rx_;
  std::vector<Tx> tx_;
};

// A memfd sealed against shrinking, as clients register.
std::shared_ptr<const linux_sys::OwnedFd> RegionMemfd(uint64_t bytes);

// The view that a grant gives of one queue, whose places are in `areas`.
dataplane::QueueView ViewOfGrant(const device::QueueGrant& grant, const v1::Queue& queue,
                                 std::span<const uint32_t> features,
                                 std::span<const linux_sys::Mapping> areas);

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_NIC_CLIENT_H_
