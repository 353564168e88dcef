// The device's side of a transmit ring in which the device completes descriptors by writing over
// them. See tx_device.h for what it promises. One thread at a time.
#ifndef QSPLIT_DATAPLANE_IN_PLACE_TX_DEVICE_H_
#define QSPLIT_DATAPLANE_IN_PLACE_TX_DEVICE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/doorbell.h"
#include "dataplane/form_match.h"
#include "dataplane/known_descriptors.h"
#include "dataplane/queue_shape.h"
#include "dataplane/tx_contexts.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_program.h"

namespace qsplit::dataplane {

class InPlaceTxDevice {
 public:
  static absl::StatusOr<std::unique_ptr<InPlaceTxDevice>> Create(
      const layout::VerifiedLayout& layout, const QueueView& view, const TxDeviceOptions& options);

  TxFeatures Features() const { return program_.features; }
  uint32_t PeekAvailable();
  RingFault Fetch(TxWork* out);
  uint32_t FetchPlain(std::span<PlainTx> out);
  void Complete(const TxHandle& handle);
  void SetNeedWakeup(bool need) { notification_.Set(need, fetch_count_); }

 private:
  struct SlotState {
    bool fetched = false;  // and not completed
    bool report = false;   // its completion is to be written
  };

  // What is known of a packet by the bits of its one descriptor beside address and length.
  struct Plain {
    const TxDataForm* data = nullptr;
    uint64_t max_bytes = 0;
    bool report = false;
  };

  InPlaceTxDevice() = default;
  // Of a data form; none where a length or an address decides anything.
  DecidingBits DecidingBitsOf(size_t form) const;
  // Slots published from the one fetched next on; false: the doorbell says nonsense.
  bool ReadProducer(uint32_t* available) const {
    return producer_.Read({fetch_, shape_.slot_count, fetch_count_}, 0, shape_.slot_count,
                          available);
  }
  uint32_t Next(uint32_t slot) const { return slot + 1 == shape_.slot_count ? 0 : slot + 1; }
  RingFault Fault(RingFault fault) { return fault_ = fault; }
  // Consumes one slot.
  void Consume() {
    fetch_ = Next(fetch_);
    ++fetch_count_;
  }

  InPlaceShape shape_;
  TxProgram program_;
  FormMatcher matcher_;  // data forms, then context forms
  ProgressReader producer_;
  NotificationSwitch notification_;
  DescriptorBytes done_image_{};
  TxContextMemory contexts_;
  std::vector<DecidingBits> deciding_;  // by data form
  KnownDescriptors<Plain> plain_;

  std::vector<SlotState> slots_;
  std::vector<bool> reports_;  // of the packet being gathered, by position
  std::vector<TxSegment> segments_;
  uint32_t fetch_ = 0;          // next slot to look at
  uint64_t fetch_count_ = 0;    // free-running
  uint32_t context_slots_ = 0;  // consumed in front of the packet to come
  RingFault fault_ = RingFault::kNone;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_IN_PLACE_TX_DEVICE_H_
