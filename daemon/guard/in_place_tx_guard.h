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

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/guard/in_place_guard.h"
#include "daemon/guard/in_place_rings.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/tx_packet_check.h"
#include "daemon/guard/word_field.h"
#include "daemon/guard/word_pattern.h"
#include "dataplane/cache_line.h"
#include "dataplane/tx_program.h"

namespace qsplit::guard {

// kWords: 8-byte words of a slot.
template <size_t kWords>
class InPlaceTxGuard final : public InPlaceGuard<kWords> {
 public:
  static absl::StatusOr<std::unique_ptr<QueueGuard>> Create(QueueParts parts, InPlaceRings rings);

  uint32_t Forward(uint32_t budget) override;
  uint32_t Return(uint32_t budget) override;

 private:
  using Base = InPlaceGuard<kWords>;
  using Burst = typename Base::Burst;
  using Words = typename Base::Words;
  using Base::consume_, Base::counters_, Base::forward_, Base::forward_count_, Base::in_use_;
  using Base::real_, Base::regions_, Base::rings_, Base::shadow_;
  using Base::Stop, Base::StopForAddress;

  // A form that carries bytes.
  struct DataForm {
    WordPattern<kWords> pattern;
    bool may_look_done = true;
    Words kept[2][2]{};  // [first][last]
    Words requests{};
    WordAddress address;
    WordField length;
    WordField last;    // not there: every descriptor is a packet
    WordField report;  // not there: every descriptor is reported
    uint64_t max_bytes = 0;
  };
  struct ContextForm {
    WordPattern<kWords> pattern;
    Words kept{};
  };
  // What a descriptor did.
  enum class Step : uint8_t { kStopped, kMore, kWhole };
  // What one call forwarded.
  struct Sent {
    uint64_t packets = 0;
    uint64_t bytes = 0;
    dataplane::DoorbellState whole;  // behind the last of these packets
  };

  using Base::Base;
  absl::Status CompileData(size_t position, const GuardOptions& options);
  absl::Status CompileContext(size_t position);
  // Packets of one descriptor of the first form, which ask for nothing.
  void CompilePlain(const GuardOptions& options);
  bool SetPlainTotal(BurstPlan<kWords>* plan) const;
  // Each checks private words and turns them into what the device may see.
  [[gnu::always_inline]] Step Check(uint64_t* words);
  [[gnu::always_inline]] Step CheckData(size_t position, uint64_t* words);
  Step CheckContext(uint64_t* words);
  // Of a packet with several descriptors or a request.
  Step CheckPart(size_t position, bool first, bool last, bool asks, uint64_t bytes,
                 const uint64_t* words);
  // The buffer's bytes; 0: stopped.
  [[gnu::always_inline]] uint64_t CheckBuffer(const DataForm& form, uint64_t* words);
  [[gnu::always_inline]] void AddReport(uint32_t slot);
  // How many descriptors of a burst were forwarded; not all: stopped, or the rest waits.
  [[gnu::always_inline]] uint32_t ForwardBurst(Burst* burst, Sent* sent);
  [[gnu::always_inline]] void ForwardPlain(const Burst& burst, uint32_t at, uint32_t count,
                                           Sent* sent);
  void EndPackets(uint64_t packets, uint64_t bytes, Sent* sent) {
    sent->packets += packets;
    sent->bytes += bytes;
    sent->whole.index = forward_;
    sent->whole.count = forward_count_;
  }
  bool AmidPacket() const override { return descriptors_ != 0; }
  bool HasDone() override { return report_count_ != 0 && Base::IsDone(reports_[report_head_]); }
  Step StopHere(device::FaultKind kind, uint64_t iova = 0, uint64_t length_bytes = 0) {
    Stop(kind, forward_, iova, length_bytes);
    return Step::kStopped;
  }

  uint32_t max_descriptors_ = 0;
  std::vector<DataForm> data_;
  std::vector<ContextForm> contexts_;
  TxPacketCheck packet_;
  Words completion_kept_{};

  // Of the packet that is coming in, contexts in front of it included.
  uint32_t descriptors_ = 0;
  uint64_t published_count_ = 0;  // free-running; up to where the device knows
  // Slots that the device will complete, in order; those of the unfinished packet are the newest.
  dataplane::CacheLineVector<uint32_t> reports_;
  uint32_t report_head_ = 0;
  uint32_t report_count_ = 0;
};

extern template class InPlaceTxGuard<2>;
extern template class InPlaceTxGuard<4>;

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_IN_PLACE_TX_GUARD_H_
