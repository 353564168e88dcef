#include "dataplane/block_rx_driver.h"

#include <algorithm>
#include <cstring>

#include "dataplane/rx_delivery.h"

namespace qsplit::dataplane {
namespace {

// Buffers that may wait for packets: enough for blocks full of packets of some size.
constexpr uint64_t kPacketBytes = 1024;
constexpr uint64_t kFewestBuffers = 64;
constexpr uint64_t kMostBuffers = 4096;

}  // namespace

absl::StatusOr<std::unique_ptr<BlockRxDriver>> BlockRxDriver::Create(
    const layout::VerifiedLayout& layout, const QueueView& view, const RxOptions& options) {
  absl::StatusOr<QueueShape> shape = ShapeQueue(layout, view, v1::DIRECTION_RECEIVE);
  if (!shape.ok()) return shape.status();
  auto driver = std::unique_ptr<BlockRxDriver>(new BlockRxDriver);
  driver->shape_ = *std::move(shape);
  absl::StatusOr<BlockPackets> blocks = BlockPackets::Compile(driver->shape_, options.wanted);
  if (!blocks.ok()) return blocks.status();
  driver->blocks_ = *std::move(blocks);
  const RingShape& ring = *driver->blocks_.ring;
  absl::StatusOr<PostWriter> writer = PostWriter::Create(ring);
  if (!writer.ok()) return writer.status();
  driver->writer_ = *std::move(writer);
  absl::StatusOr<CompletionReader> reader = CompletionReader::Create(ring);
  if (!reader.ok()) return reader.status();
  driver->reader_ = *std::move(reader);
  absl::StatusOr<DescriptorBytes> image = FormImage(ring, driver->writer_->forms()[0].form);
  if (!image.ok()) return image.status();
  driver->post_image_ = *image;
  const uint64_t bytes = uint64_t{ring.slot_count} * driver->blocks_.slot_bytes;
  driver->posted_.resize(std::clamp(bytes / kPacketBytes, kFewestBuffers, kMostBuffers));
  return driver;
}

uint32_t BlockRxDriver::Post(std::span<const RxBuffer> buffers) {
  uint32_t done = 0;
  for (const RxBuffer& buffer : buffers) {
    if (outstanding_ == posted_.size() || buffer.memory == nullptr || buffer.bytes == 0) break;
    posted_[(next_ + outstanding_) % posted_.size()] = buffer;
    ++outstanding_;
    ++done;
  }
  return done;
}

bool BlockRxDriver::Publish() {
  const bool wake = wake_;
  wake_ = false;
  return wake;
}

uint32_t BlockRxDriver::Poll(std::span<RxCompletion> out) {
  uint32_t count = 0;
  while (count < out.size() && outstanding_ > 0) {
    if (!in_packet_ && !NextPacket()) break;
    Copy(&out[count++]);
  }
  return count;
}

bool BlockRxDriver::OpenBlock() {
  DescriptorBytes copy;
  ReadCompletion read;
  const RingFault fault = reader_->Read(copy.bytes, &read);
  if (fault != RingFault::kNone && fault != RingFault::kUndefinedForm) return false;
  in_block_ = true;
  block_ = blocks_.ring->view.slots + size_t{reader_->position().index()} * blocks_.slot_bytes;
  packets_left_ = 0;
  if (fault == RingFault::kNone) {
    at_ = blocks_.first.Load(copy.bytes);
    // More cannot be there.
    packets_left_ = std::min<uint64_t>(blocks_.count.Load(copy.bytes),
                                       blocks_.slot_bytes / blocks_.packet_bytes);
  }
  return true;
}

void BlockRxDriver::CloseBlock() {
  in_block_ = false;
  reader_->Take(1);
  // All blocks are the device's from the start, before anybody writes them: the writer stands where
  // the reader stood, and counts none.
  writer_->Write(0, post_image_.bytes);
  writer_->Commit();
  wake_ = writer_->Publish() || wake_;
  writer_->Free(1);
}

bool BlockRxDriver::NextPacket() {
  for (uint32_t turns = 0; turns <= blocks_.ring->slot_count; ++turns) {
    if (!in_block_ && !OpenBlock()) return false;
    if (packets_left_ == 0 || at_ > blocks_.slot_bytes - blocks_.packet_bytes) {
      CloseBlock();
      continue;
    }
    --packets_left_;
    const auto begin = static_cast<uint32_t>(at_);
    CopyShared(packet_.header.bytes, block_ + begin, blocks_.packet_bytes);
    const uint64_t next = blocks_.next.Load(packet_.header.bytes);
    if (next == 0) packets_left_ = 0;
    at_ = next > blocks_.slot_bytes ? blocks_.slot_bytes : begin + next;
    const uint64_t offset = blocks_.program.Offset(packet_.header.bytes);
    const uint64_t room = blocks_.slot_bytes - begin;
    packet_.at = begin + static_cast<uint32_t>(std::min(offset, room));
    packet_.left = static_cast<uint32_t>(std::min<uint64_t>(
        blocks_.program.Length(packet_.header.bytes), blocks_.slot_bytes - packet_.at));
    packet_.first = true;
    in_packet_ = true;
    return true;
  }
  return false;
}

void BlockRxDriver::Copy(RxCompletion* out) {
  const RxBuffer& buffer = posted_[next_];
  next_ = next_ + 1 == posted_.size() ? 0 : next_ + 1;
  --outstanding_;
  const uint32_t bytes = std::min(packet_.left, buffer.bytes);
  std::memcpy(buffer.memory, block_ + packet_.at, bytes);
  packet_.at += bytes;
  packet_.left -= bytes;
  out->cookie = buffer.cookie;
  out->length = bytes;
  out->offset = 0;
  out->first = packet_.first;
  out->last = packet_.left == 0;
  out->meta = RxMetadata();
  blocks_.program.Decode(packet_.header.bytes, true, true, &out->meta);
  packet_.first = false;
  in_packet_ = !out->last;
  // The last packet of a block: it is the device's again at once.
  if (!in_packet_ && packets_left_ == 0) CloseBlock();
}

}  // namespace qsplit::dataplane
