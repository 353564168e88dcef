// Bursts of a transmit queue whose descriptors and completions go by any protocol of the ring
// layer: packets of the common case (one buffer; one descriptor, or one for a prefix and one for
// the buffer) are written as a plan says, and completions of the common case read. Who calls it, an
// engine that knows every case, goes on where it stops.
//
//   packets, image ──► words of slots, what is remembered of each packet        Push
//   slots ──tests──► keys: tags, indices, addresses, as the device wrote them   Take
//
// Push writes slots and never reads one. What Take reads may be anything: each word is read once,
// and a key is only a number that the caller checks. Neither touches a byte outside of the ring's
// slots and the arguments' arrays.
// Never: allocates after Create, locks, makes a system call. As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_BURST_TX_RING_H_
#define QSPLIT_DATAPLANE_BURST_TX_RING_H_

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

// Of a packet's descriptors.
inline constexpr uint32_t kMaxPacketWords = 16;

// What differs from one packet to the next.
enum class TxSource : uint8_t {
  kAddress,
  kBytes,
  kPrefix,  // address of the packet's prefix
  kId,      // number of the packet, its tag
  kCount,   // of the descriptor's slot, free-running
};

// A word of a packet's descriptors.
struct TxWord {
  struct Part {
    TxSource source = TxSource::kAddress;
    uint32_t slot = 0;   // of the packet, whose count kCount is
    Piece piece;         // its `word` says nothing
    bool whole = false;  // all of the number stands in it
  };
  uint32_t offset = 0;  // bytes from the packet's first slot
  std::vector<Part> parts;
};

// What is remembered of a packet.
enum class TxMemory : uint8_t {
  kNothing,  // here
  kOrder,    // its cookie, in the order of packets
  kId,       // a TxRemembered, by number
};
struct TxRemembered {
  static constexpr uint64_t kNever = UINT64_MAX;

  uint64_t burst = kNever;  // number of the first packet that was written with it
  uint32_t cookie = 0;
  uint32_t unused = 0;
};
static_assert(sizeof(TxRemembered) == 16);

struct TxRingPlan {
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;    // whole words of 8
  uint32_t packet_slots = 1;  // 1 or 2
  std::vector<TxWord> words;  // at most kMaxPacketWords
  // Where bytes hand packets over: the word of the first slot that does, which is kept back of the
  // first packet.
  uint32_t held_word = kNone;
  uint32_t report_words = 0;  // bit w: a report is asked for in word w
  // The word of the last packet that the caller wants to have as well.
  uint32_t kept_word = kNone;
  uint64_t address_not = 0;  // bits of an address that must be zero
  uint32_t max_bytes = 0;
  uint64_t count_mask = 0;  // of counts, what their field takes
  bool has_prefix = false;
  uint32_t prefix_stride = 0;  // bytes
  TxMemory memory = TxMemory::kNothing;

  // A report is asked for in the word that hands over. Then it must not be of a packet that is both
  // the first one, whose word is kept back, and the last one.
  bool HandsOverReports() const {
    return held_word != kNone && (report_words >> held_word & 1) != 0;
  }
};

// A buffer that is on its way, in the order in which they went.
struct TxExpected {
  static constexpr uint32_t kNotPackets = 1u << 31;

  uint64_t address = 0;
  uint32_t id = UINT32_MAX;  // from kNotPackets on: it is no packet of which nothing else is known
  uint32_t cookie = 0;

  bool IsPacket() const { return id < kNotPackets; }
};
static_assert(sizeof(TxExpected) == 16);

// Completions of one ring: which bits those of the common case have, and what they name.
struct TxDonePlan {
  static constexpr size_t kMaxTests = kMaxWords;

  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;
  uint32_t step_slots = 1;  // from one to the next, 1 or 2
  struct Test {
    uint32_t word = 0;
    uint64_t mask = 0;
    std::array<uint64_t, 2> value{};  // by the phase that is due
  };
  // The word that hands over first, read with acquire. Empty: what is there is the driver's.
  std::vector<Test> tests;
  std::vector<Piece> key;
  // Not 0: keys are addresses, which nothing is tested of and which come back in the order in which
  // they went as a rule; so many TxExpected stand in an array.
  uint32_t expected_count = 0;
  // Keys are numbers of packets, each a TxRemembered.
  bool remembers = false;
};

// Descriptors of a packet but for its own numbers, by plan's words; and bits that ask for a report.
struct TxRingImage {
  std::array<uint64_t, kMaxPacketWords> words{};
  std::array<uint64_t, kMaxPacketWords> report{};
};

// One burst. The arrays have room for as many packets as are asked for; what stands in `cookies`
// behind those that were written means nothing.
struct TxRingCall {
  uint32_t* cookies = nullptr;         // TxMemory::kOrder
  TxRemembered* remembered = nullptr;  // TxMemory::kId, by number
  const uint32_t* ids = nullptr;       // numbers for packets, from the one before this on downwards
  // What prefixes say, by number: it stops at one that says something else than `prefix`.
  const uint32_t* prefixes = nullptr;
  uint64_t prefix = 0;
  uint64_t prefix_iova = 0;  // of prefix number 0
  uint64_t number = 0;       // of the first packet
  uint64_t count = 0;        // of the first slot, free-running
  // Where the first packet's held word goes instead of the ring; null: to the ring.
  uint64_t* held = nullptr;
  // Nonzero: the last packet of `most` asks for a report.
  uint64_t report = 0;
  // The plan's kept word of it, without bits that ask for a report: set if all packets of `most`
  // were written.
  uint64_t kept = 0;
  uint64_t has_kept = 0;
};

// What is remembered of packets that completions name by number, how many numbers there are, and
// where those go that are free again, one after the other.
struct TxNumbers {
  TxRemembered* remembered = nullptr;
  uint64_t count = 0;
  // Packets from this number on are not the device's yet.
  uint64_t published = 0;
  uint32_t* free = nullptr;
};

class TxRingBurst {
 public:
  // Machine code, of such instructions, where it can be had and is asked for, else the plan is
  // interpreted. done: null if completions are not read here.
  static std::unique_ptr<TxRingBurst> Create(TxRingPlan plan, const TxDonePlan* done, bool compiled,
                                             Instructions which = Instructions::kOfThisProcessor);

  // Writes packets from `slot` on, at most `most` and not beyond the ring's last slot, until one is
  // empty or more than descriptors can say; how many were.
  uint32_t Push(std::byte* slots, TxRingCall& call, uint32_t slot, uint32_t most,
                const TxPacket* packets, const TxRingImage& image) const {
    if (push_ != nullptr) return push_(slots, &call, slot, most, packets, &image);
    return PushByPlan(plan_, slots, call, slot, most, packets, image);
  }
  // Keys of completions from `slot` on, at most `most` and not beyond the ring's last slot, until
  // one is not of the common case (or not there); how many there were.
  uint32_t Take(const std::byte* slots, uint32_t slot, uint32_t most, uint32_t phase,
                uint64_t* keys) const {
    if (take_ != nullptr) return take_(slots, nullptr, slot, most, keys, values_[phase & 1].data());
    return TakeByPlan(done_, slots, slot, most, phase, keys);
  }
  // Of completions from `slot` on, as above, those that name packets which are expected from number
  // `first` on, not beyond the array's last: their cookies, and how many there were. What stands in
  // `cookies` behind those means nothing.
  uint32_t TakeExpected(const std::byte* slots, uint32_t slot, uint32_t most,
                        const TxExpected* expected, uint32_t first, uint32_t* cookies) const {
    if (take_expected_ != nullptr)
      return take_expected_(slots, expected, slot, most, cookies, first);
    return TakeExpectedByPlan(done_, slots, slot, most, expected, first, cookies);
  }
  // Of completions from `slot` on, as above, those that name packets which are remembered, and not
  // behind the published ones: their cookies, and how many there were. They are forgotten, and
  // their numbers free.
  uint32_t TakeRemembered(const std::byte* slots, uint32_t slot, uint32_t most, uint32_t phase,
                          const TxNumbers& numbers, uint32_t* cookies) const {
    if (take_remembered_ != nullptr)
      return take_remembered_(slots, &numbers, slot, most, cookies, values_[phase & 1].data());
    return TakeRememberedByPlan(done_, slots, slot, most, phase, numbers, cookies);
  }
  bool takes() const { return done_.slot_count != 0; }

  const TxRingPlan& plan() const { return plan_; }
  const TxDonePlan& done() const { return done_; }
  // OK: machine code; else why not.
  const absl::Status& code_status() const { return code_status_; }

  // A word of the first packet of a burst.
  static uint64_t Word(const TxRingPlan& plan, uint32_t which, const TxPacket& packet,
                       const TxRingCall& call, const TxRingImage& image);
  static uint32_t PushByPlan(const TxRingPlan& plan, std::byte* slots, const TxRingCall& call,
                             uint32_t slot, uint32_t most, const TxPacket* packets,
                             const TxRingImage& image);
  static uint32_t TakeByPlan(const TxDonePlan& plan, const std::byte* slots, uint32_t slot,
                             uint32_t most, uint32_t phase, uint64_t* keys);
  static uint32_t TakeExpectedByPlan(const TxDonePlan& plan, const std::byte* slots, uint32_t slot,
                                     uint32_t most, const TxExpected* expected, uint32_t first,
                                     uint32_t* cookies);
  static uint32_t TakeRememberedByPlan(const TxDonePlan& plan, const std::byte* slots,
                                       uint32_t slot, uint32_t most, uint32_t phase,
                                       const TxNumbers& numbers, uint32_t* cookies);

  using PushCode = uint32_t (*)(std::byte* slots, TxRingCall* call, uint32_t slot, uint32_t most,
                                const TxPacket* packets, const TxRingImage* image);
  // values: what the tests compare with.
  using TakeCode = uint32_t (*)(const std::byte* slots, const void* nothing, uint32_t slot,
                                uint32_t most, uint64_t* keys, const uint64_t* values);
  using TakeExpectedCode = uint32_t (*)(const std::byte* slots, const TxExpected* expected,
                                        uint32_t slot, uint32_t most, uint32_t* cookies,
                                        uint64_t first);
  using TakeRememberedCode = uint32_t (*)(const std::byte* slots, const TxNumbers* numbers,
                                          uint32_t slot, uint32_t most, uint32_t* cookies,
                                          const uint64_t* values);

 private:
  TxRingBurst() = default;

  TxRingPlan plan_;
  TxDonePlan done_;
  std::array<std::array<uint64_t, TxDonePlan::kMaxTests>, 2> values_{};
  CodeMemory code_;
  PushCode push_ = nullptr;
  TakeCode take_ = nullptr;
  TakeExpectedCode take_expected_ = nullptr;
  TakeRememberedCode take_remembered_ = nullptr;
  absl::Status code_status_;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_RING_H_
