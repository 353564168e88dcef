// The device's side of a transmit ring in which the device completes descriptors by writing over
// them. See tx_device.h for what it promises. One thread at a time.
#ifndef QSPLIT_DATAPLANE_IN_PLACE_TX_DEVICE_H_
#define QSPLIT_DATAPLANE_IN_PLACE_TX_DEVICE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/burst/slot_reader.h"
#include "dataplane/cache_line.h"
#include "dataplane/doorbell.h"
#include "dataplane/form_match.h"
#include "dataplane/known_descriptors.h"
#include "dataplane/queue_shape.h"
#include "dataplane/tx_contexts.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_program.h"

namespace qsplit::dataplane {

class alignas(kCacheLineBytes) InPlaceTxDevice {
 public:
  static absl::StatusOr<std::unique_ptr<InPlaceTxDevice>> Create(
      const layout::VerifiedLayout& layout, const QueueView& view, const TxDeviceOptions& options);

  const AccessReport& Access() const { return access_; }
  TxFeatures Features() const { return program_.features; }
  uint32_t PeekAvailable();
  RingFault Fetch(TxWork* out);
  // *nothing becomes true where it is so, and stays as it is elsewhere.
  uint32_t FetchPlain(std::span<PlainTx> out, bool* nothing);
  void Complete(const TxHandle& handle);
  void SetNeedWakeup(bool need) { notification_.Set(need, fetch_count_); }

 private:
  // What is remembered of a slot: it is fetched and not completed; its completion is to be written.
  static constexpr uint32_t kFetched = 1;
  static constexpr uint32_t kReported = 2;
  static uint32_t StateOf(bool reported) { return kFetched | (reported ? kReported : 0); }

  // What is known of a packet by the bits of its one descriptor beside address and length.
  struct Plain {
    const TxDataForm* data = nullptr;
    uint64_t max_bytes = 0;
    bool report = false;
    // Where they stand if pairs_.
    PairField address;
    PairField length;
  };

  InPlaceTxDevice() = default;
  // Of a data form; none where a length or an address decides anything.
  DecidingBits DecidingBitsOf(size_t form) const;
  // The common case of a form; null: there is none that a plan can say.
  std::unique_ptr<burst::SlotReader> MakeReader(const TxDataForm& data, bool compiled) const;
  void FindReader(const layout::VerifiedLayout& layout, const QueueView& view,
                  const TxDeviceOptions& options);
  Plain PlainOf(const TxDataForm& data, bool report) const;
  // FetchPlain of `most` descriptors that are published, from fetch_ on: how many were taken. Of
  // kinds that are known, descriptors of two words; others.
  uint32_t TakePairs(uint32_t most, PlainTx* out);
  uint32_t TakeOthers(uint32_t most, PlainTx* out);
  // Slots published from the one fetched next on; false: the doorbell says nonsense.
  bool ReadProducer(uint32_t* available) const {
    return producer_.Read({fetch_, shape_.slot_count, fetch_count_}, 0, shape_.slot_count,
                          available);
  }
  bool LookAhead() {
    ahead_ = 0;
    return ReadProducer(&ahead_);
  }
  uint32_t Next(uint32_t slot) const { return slot + 1 == shape_.slot_count ? 0 : slot + 1; }
  RingFault Fault(RingFault fault) { return fault_ = fault; }
  // Consumes one slot.
  void Consume() {
    fetch_ = Next(fetch_);
    ++fetch_count_;
    --ahead_;
  }

  InPlaceShape shape_;
  TxProgram program_;
  FormMatcher matcher_;  // data forms, then context forms
  ProgressReader producer_;
  NotificationSwitch notification_;
  DescriptorBytes done_image_{};
  TxContextMemory contexts_;
  std::vector<DecidingBits> deciding_;               // by data form
  std::shared_ptr<const burst::SlotReader> reader_;  // null: none
  AccessReport access_ = AccessReport::Engine();
  KnownDescriptors<Plain> plain_;
  bool pairs_ = false;  // descriptors are two words, each field in one of them

  CacheLineVector<uint32_t> slots_;
  CacheLineVector<uint8_t> reports_;  // of the packet being gathered, by position
  CacheLineVector<TxSegment> segments_;
  uint32_t fetch_ = 0;          // next slot to look at
  uint64_t fetch_count_ = 0;    // free-running
  uint32_t ahead_ = 0;          // slots from there on that were published at the last look
  uint32_t context_slots_ = 0;  // consumed in front of the packet to come
  RingFault fault_ = RingFault::kNone;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_IN_PLACE_TX_DEVICE_H_
