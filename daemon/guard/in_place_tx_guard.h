// The guard of a transmit ring whose device completes descriptors by writing over them.
//
//   slots of both rings   │ sent, not reported │ with the device │ of an unfinished packet │ free
//                      consume_                              published              forward_
//
// Descriptors of a packet are checked as they come and stored into slots of the real ring that the
// device does not look at yet; its doorbell moves when the packet is whole. Contexts are kept in
// the guard's own books too, so that a packet which asks for an offload is checked with the context
// that it names.
//
// See guarded_queue.h for what it promises. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_IN_PLACE_TX_GUARD_H_
#define QSPLIT_DAEMON_GUARD_IN_PLACE_TX_GUARD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/guard/descriptor_mask.h"
#include "daemon/guard/queue_guard.h"
#include "dataplane/doorbell.h"
#include "dataplane/form_match.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_cells.h"
#include "dataplane/tx_contexts.h"
#include "dataplane/tx_program.h"

namespace qsplit::guard {

class InPlaceTxGuard final : public QueueGuard {
 public:
  static absl::StatusOr<std::unique_ptr<QueueGuard>> Create(QueueParts parts);

  uint32_t Forward(uint32_t budget) override;
  uint32_t Return(uint32_t budget) override;
  void SetNeedWakeup(bool need) override { notification_.Set(need, forward_count_); }
  bool HasWork() override;

 private:
  explicit InPlaceTxGuard(RegionMap regions) : regions_(std::move(regions)) {}
  absl::Status CompileForms();
  // Each checks a private copy and turns it into what the device may see. False: stopped.
  enum class Step : uint8_t { kStopped, kMore, kWhole };
  Step Check(std::byte* copy);
  bool CheckContext(size_t context, std::byte* copy);
  bool CheckBuffer(const dataplane::TxDataForm& data, bool last, std::byte* copy);
  // Of a packet's first descriptor: remembers what must hold of the whole.
  bool BeginPacket(const dataplane::TxDataForm& data, const DescriptorMask& requests, bool last,
                   const std::byte* copy);
  bool EndPacket();
  bool RequestFits() const;
  bool ReadPosted(uint32_t* ahead) const {
    return producer_.Read({forward_, shadow_.slot_count, forward_count_}, 0, shadow_.slot_count,
                          ahead) &&
           *ahead <= shadow_.capacity - in_use_;
  }
  bool OldestReportIsDone(std::byte* copy) const;
  uint32_t Next(uint32_t slot) const { return slot + 1 == shadow_.slot_count ? 0 : slot + 1; }
  bool Refuse(device::FaultKind kind, uint64_t iova = 0, uint64_t length_bytes = 0) {
    Stop(kind, forward_, iova, length_bytes);
    return false;
  }

  // What the packet that is coming in has so far, contexts in front of it included.
  struct Packet {
    uint32_t descriptors = 0;
    uint32_t buffers = 0;
    uint64_t bytes = 0;
    bool asks = false;  // for an offload
    dataplane::RequestDraft draft;
    std::optional<uint64_t> total_bytes;    // as the descriptors say
    std::optional<uint64_t> payload_bytes;  // as the descriptors say, behind the headers
  };
  struct DataMasks {
    DescriptorMask kept[2][2];  // [first][last]
    DescriptorMask requests;
  };

  dataplane::InPlaceShape shadow_;
  dataplane::InPlaceShape real_;
  RegionMap regions_;
  uint32_t slot_bytes_ = 0;
  uint64_t min_segment_bytes_ = 0;
  uint32_t max_descriptors_ = 0;
  uint64_t max_buffer_bytes_ = 0;
  uint64_t min_bytes_ = 0;
  uint64_t max_bytes_ = 0;
  uint64_t max_segmented_bytes_ = 0;
  dataplane::TxProgram program_;
  dataplane::ProgressReader producer_;
  dataplane::NotificationSwitch notification_;
  dataplane::Doorbells doorbells_;
  dataplane::FormMatcher matcher_;  // data forms, then contexts
  std::vector<DataMasks> data_masks_;
  std::vector<DescriptorMask> context_masks_;
  dataplane::TxContextMemory contexts_;
  // The payload that the last context announced.
  std::optional<uint64_t> context_payload_;
  DescriptorMask completion_kept_;

  Packet packet_;
  uint32_t forward_ = 0;          // next slot to look at
  uint64_t forward_count_ = 0;    // free-running
  uint64_t published_count_ = 0;  // free-running; up to where the device knows
  uint32_t in_use_ = 0;           // slots from consume_ to forward_
  uint32_t consume_ = 0;          // oldest slot in use
  // Slots that the device will complete, in order; those of the unfinished packet are the newest.
  std::vector<uint32_t> reports_;
  uint32_t report_head_ = 0;
  uint32_t report_count_ = 0;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_IN_PLACE_TX_GUARD_H_
