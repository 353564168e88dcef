// The device's side of a receive queue whose packets lie in the ring's slots (blocks): packets go
// into the open block until it is full or the burst ends; then it is the driver's.
//
// The driver may write into a block that is the device's at any moment: what the device has to know
// of it is kept in private memory, and nothing in a block is read back.
// Never: allocates after Create, locks, makes a system call. One thread at a time.
#ifndef QSPLIT_DATAPLANE_BLOCK_RX_DEVICE_H_
#define QSPLIT_DATAPLANE_BLOCK_RX_DEVICE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "dataplane/block_packets.h"
#include "dataplane/cache_line.h"
#include "dataplane/completion_writer.h"
#include "dataplane/post_reader.h"
#include "dataplane/rx_device.h"

namespace qsplit::dataplane {

class alignas(kCacheLineBytes) BlockRxDevice {
 public:
  static absl::StatusOr<std::unique_ptr<BlockRxDevice>> Create(const layout::VerifiedLayout& layout,
                                                               const QueueView& view,
                                                               const RxDeviceOptions& options);

  RxFields Supported() const { return blocks_.program.Fields(); }
  uint32_t PrefixBytes() const { return 0; }
  uint32_t CrcBytes() const { return 0; }
  uint32_t PeekAvailable();
  // One place at a time: the next one only after Complete, Skip or Unfetch.
  RingFault Fetch(PostedBuffer* out, bool first, uint32_t packet_bytes);
  bool PacketMayGoOn() const { return false; }
  bool Complete(const RxResult& result);
  void Skip() { fetched_ = false; }
  uint32_t Fetched() const { return fetched_ ? 1 : 0; }
  void Unfetch() { fetched_ = false; }
  void Publish();
  void SetNeedWakeup(bool need) { reader_->SetNeedWakeup(need); }

 private:
  BlockRxDevice() = default;
  RingFault OpenBlock();
  void CloseBlock();
  void WriteHeader(uint32_t at, const DescriptorBytes& header) const;

  QueueShape shape_;
  BlockPackets blocks_;
  std::optional<PostReader> reader_;
  std::optional<CompletionWriter> writer_;
  uint32_t form_ = 0;  // of a block, among writer_'s
  DescriptorBytes image_;

  bool open_ = false;
  uint32_t slot_ = 0;
  std::byte* block_ = nullptr;
  uint32_t at_ = 0;     // where the next packet's form goes
  uint32_t count_ = 0;  // packets in the block
  // The last one's form, which the next one is chained to.
  uint32_t last_at_ = 0;
  DescriptorBytes last_;
  bool fetched_ = false;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_BLOCK_RX_DEVICE_H_
