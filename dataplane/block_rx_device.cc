#include "dataplane/block_rx_device.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

constexpr uint32_t kAlignment = 16;  // of packets and of their forms, in a slot
constexpr uint32_t Align(uint32_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Room that a packet of unknown length wants.
constexpr uint32_t kSomePacket = 2048;

}  // namespace

absl::StatusOr<std::unique_ptr<BlockRxDevice>> BlockRxDevice::Create(
    const layout::VerifiedLayout& layout, const QueueView& view,
    const RxDeviceOptions& /*options*/) {
  absl::StatusOr<QueueShape> shape = ShapeQueue(layout, view, v1::DIRECTION_RECEIVE);
  if (!shape.ok()) return shape.status();
  auto device = std::unique_ptr<BlockRxDevice>(new BlockRxDevice);
  device->shape_ = *std::move(shape);
  absl::StatusOr<BlockPackets> blocks = BlockPackets::Compile(device->shape_, RxFields::All());
  if (!blocks.ok()) return blocks.status();
  device->blocks_ = *std::move(blocks);
  const RingShape& ring = *device->blocks_.ring;
  const uint64_t fronts = uint64_t{Align(device->blocks_.block_bytes)} +
                          2 * uint64_t{Align(device->blocks_.packet_bytes)};
  if (fronts > device->blocks_.slot_bytes) {
    return absl::UnimplementedError(absl::StrCat(ring.Where(), ": slots too small for packets"));
  }
  absl::StatusOr<PostReader> reader = PostReader::Create(ring);
  if (!reader.ok()) return reader.status();
  device->reader_ = *std::move(reader);
  absl::StatusOr<CompletionWriter> writer = CompletionWriter::Create(ring);
  if (!writer.ok()) return writer.status();
  device->writer_ = *std::move(writer);
  const int form = device->writer_->forms().Find(device->blocks_.block_form);
  if (form < 0) {
    return absl::UnimplementedError(absl::StrCat(ring.Where(), ": blocks of an unknown form"));
  }
  device->form_ = static_cast<uint32_t>(form);
  absl::StatusOr<DescriptorBytes> image = FormImage(ring, device->blocks_.block_form);
  if (!image.ok()) return image.status();
  device->image_ = *image;
  return device;
}

uint32_t BlockRxDevice::PeekAvailable() {
  if (reader_->fault() != RingFault::kNone) return 0;
  return (open_ ? 1 : 0) + reader_->Available();
}

RingFault BlockRxDevice::OpenBlock() {
  DescriptorBytes copy;
  FetchedDescriptor fetched;
  if (const RingFault fault = reader_->Next(copy.bytes, &fetched); fault != RingFault::kNone) {
    return fault;
  }
  open_ = true;
  slot_ = fetched.index;
  block_ = blocks_.ring->view.slots + size_t{slot_} * blocks_.slot_bytes;
  at_ = Align(blocks_.block_bytes);
  count_ = 0;
  return RingFault::kNone;
}

RingFault BlockRxDevice::Fetch(PostedBuffer* out, bool first, uint32_t packet_bytes) {
  if (reader_->fault() != RingFault::kNone) return reader_->fault();
  if (fetched_ || !first) return RingFault::kEmpty;
  const uint32_t front = Align(blocks_.packet_bytes);
  const uint64_t needed = uint64_t{front} + (packet_bytes != 0 ? packet_bytes : kSomePacket);
  if (open_ && count_ > 0 && at_ + needed > blocks_.slot_bytes) CloseBlock();
  if (!open_) {
    if (const RingFault fault = OpenBlock(); fault != RingFault::kNone) return fault;
  }
  if (packet_bytes != 0 && at_ + needed > blocks_.slot_bytes) return RingFault::kEmpty;
  *out = PostedBuffer();
  out->bytes = blocks_.slot_bytes - at_ - front;
  out->memory = block_ + at_ + front;
  out->address = blocks_.ring->view.slots_iova + uint64_t{slot_} * blocks_.slot_bytes + at_ + front;
  out->slot = slot_;
  fetched_ = true;
  return RingFault::kNone;
}

void BlockRxDevice::WriteHeader(uint32_t at, const DescriptorBytes& header) const {
  std::memcpy(block_ + at, header.bytes, blocks_.packet_bytes);
}

bool BlockRxDevice::Complete(const RxResult& result) {
  if (!fetched_) return false;
  fetched_ = false;
  const uint32_t front = Align(blocks_.packet_bytes);
  const uint32_t length = std::min(result.length, blocks_.slot_bytes - at_ - front);
  if (count_ > 0) {
    blocks_.next.Store(last_.bytes, at_ - last_at_);
    WriteHeader(last_at_, last_);
  }
  last_ = DescriptorBytes{};
  last_at_ = at_;
  blocks_.program.Encode(length, front, true, true, result.meta, last_.bytes);
  WriteHeader(last_at_, last_);
  ++count_;
  const uint64_t end = uint64_t{at_} + front + length;
  at_ = static_cast<uint32_t>(
      std::min<uint64_t>(Align(static_cast<uint32_t>(end)), blocks_.slot_bytes));
  if (at_ + 2 * front > blocks_.slot_bytes) CloseBlock();
  return true;
}

void BlockRxDevice::CloseBlock() {
  open_ = false;
  DescriptorBytes image = image_;
  blocks_.first.Store(image.bytes, Align(blocks_.block_bytes));
  blocks_.count.Store(image.bytes, count_);
  writer_->Write(form_, image.bytes, writer_->forms()[form_].bytes, 1);
  reader_->Done(1);
}

void BlockRxDevice::Publish() {
  if (open_ && !fetched_ && count_ > 0) CloseBlock();
  writer_->Publish();
  reader_->PublishConsumed();
}

}  // namespace qsplit::dataplane
