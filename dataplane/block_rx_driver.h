// The driver's side of a receive queue whose packets lie in the ring's slots (blocks): copies each
// into posted buffers, and gives blocks back when they are empty. Buffers are never told to the
// device.
//
// A block belongs to the device until it says otherwise, and may hold anything even then: each
// descriptor in it is read once into a private copy, every offset and length is checked against the
// slot before it is used.
// Never: allocates after Create, locks, makes a system call. One thread at a time.
#ifndef QSPLIT_DATAPLANE_BLOCK_RX_DRIVER_H_
#define QSPLIT_DATAPLANE_BLOCK_RX_DRIVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "dataplane/block_packets.h"
#include "dataplane/cache_line.h"
#include "dataplane/completion_reader.h"
#include "dataplane/post_writer.h"
#include "dataplane/rx_driver.h"

namespace qsplit::dataplane {

class alignas(kCacheLineBytes) BlockRxDriver {
 public:
  static absl::StatusOr<std::unique_ptr<BlockRxDriver>> Create(const layout::VerifiedLayout& layout,
                                                               const QueueView& view,
                                                               const RxOptions& options);

  RxFields Available() const { return blocks_.program.Fields(); }
  bool NeedsMemory() const { return true; }
  uint32_t Capacity() const { return static_cast<uint32_t>(posted_.size()); }
  uint32_t Room() const { return Capacity() - outstanding_; }
  uint32_t Outstanding() const { return outstanding_; }
  uint32_t Post(std::span<const RxBuffer> buffers);
  bool Publish();
  uint32_t Poll(std::span<RxCompletion> out);

 private:
  // The packet that is being copied.
  struct Packet {
    DescriptorBytes header;
    uint32_t at = 0;  // of its next byte, in the slot
    uint32_t left = 0;
    bool first = true;
  };
  BlockRxDriver() = default;
  bool NextPacket();
  bool OpenBlock();
  void CloseBlock();
  void Copy(RxCompletion* out);

  QueueShape shape_;
  BlockPackets blocks_;
  std::optional<PostWriter> writer_;
  std::optional<CompletionReader> reader_;
  uint32_t post_form_ = 0;
  DescriptorBytes post_image_;
  bool wake_ = false;  // the device, about a block that it got back

  CacheLineVector<RxBuffer> posted_;  // a ring
  size_t next_ = 0;
  uint32_t outstanding_ = 0;

  bool in_block_ = false;
  const std::byte* block_ = nullptr;
  uint64_t packets_left_ = 0;
  uint64_t at_ = 0;  // of the next packet's form, in the slot
  bool in_packet_ = false;
  Packet packet_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_BLOCK_RX_DRIVER_H_
