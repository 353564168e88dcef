// Bursts of a transmit ring in which the device completes descriptors in their own slots: writing
// packets of the common case, one segment each, all with the same request, as a plan says. Who
// calls it, an engine that knows every case, goes on where it stops.
//
// Slots are written only, never read. It touches no byte outside of the ring's slots, the array of
// cookies (one for each slot) and the arguments' arrays.
// Never: allocates after Create, locks, makes a system call. As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_BURST_TX_BURST_H_
#define QSPLIT_DATAPLANE_BURST_TX_BURST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "dataplane/burst/code_memory.h"
#include "dataplane/burst/record_plan.h"
#include "dataplane/tx_driver.h"

namespace qsplit::dataplane::burst {

struct TxBurstPlan {
  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;  // whole words of 8
  std::vector<Piece> address;
  std::vector<Piece> length;
  std::vector<Piece> total_length;  // of the whole packet; only where the image says so
  uint64_t max_address = 0;
  uint32_t max_bytes = 0;
  uint32_t report_words = 0;  // bit w: a report is asked for in word w
};

// A descriptor but for the packet's own numbers: constants, marks, what the request says; and the
// bits that ask for a report.
struct TxImage {
  std::array<uint64_t, kMaxWords> words{};
  std::array<uint64_t, kMaxWords> report{};
  bool has_total_length = false;
};

class TxBurst {
 public:
  // Machine code where it can be had and is asked for, else the plan is interpreted.
  static std::unique_ptr<TxBurst> Create(TxBurstPlan plan, bool compiled);

  // Writes slots from `slot` on, at most `most` and not beyond the ring's last, until a packet is
  // empty or more than a descriptor can say; how many were. If all of them were, the last one
  // gets the image's report bits.
  uint32_t Push(std::byte* slots, uint32_t* cookies, uint32_t slot, uint32_t most,
                const TxPacket* packets, const TxImage& image) const {
    const PushCode code = push_[image.has_total_length ? 1 : 0];
    if (code != nullptr) return code(slots, cookies, slot, most, packets, &image);
    return PushByPlan(plan_, slots, cookies, slot, most, packets, image);
  }
  // The words of one descriptor.
  std::array<uint64_t, kMaxWords> Words(const TxPacket& packet, const TxImage& image) const;

  const TxBurstPlan& plan() const { return plan_; }
  // OK: machine code; else why not.
  const absl::Status& code_status() const { return code_status_; }

  static uint32_t PushByPlan(const TxBurstPlan& plan, std::byte* slots, uint32_t* cookies,
                             uint32_t slot, uint32_t most, const TxPacket* packets,
                             const TxImage& image);

  using PushCode = uint32_t (*)(std::byte* slots, uint32_t* cookies, uint32_t slot, uint32_t most,
                                const TxPacket* packets, const TxImage* image);

 private:
  TxBurst() = default;

  TxBurstPlan plan_;
  CodeMemory code_;
  PushCode push_[2] = {};  // without and with the packet's total length
  absl::Status code_status_;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_BURST_H_
