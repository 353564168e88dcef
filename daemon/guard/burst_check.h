// Reads slots of a client's ring into a private copy and checks all of them by a plan: with SIMD
// where the processor has it, else word by word. Both find the same, bit for bit.
//
//   shadow slots ──Read──► copy ──Check──► checked, plain ──Store──► real slots
//                 each word once
//
// Shadow slots are hostile at every moment: Read loads each word once, nothing else looks at them.
// Never: allocates after Create, decides that a descriptor is wrong. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_BURST_CHECK_H_
#define QSPLIT_DAEMON_GUARD_BURST_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "daemon/guard/burst_plan.h"
#include "daemon/guard/descriptor_burst.h"
#include "daemon/guard/guarded_queue.h"

namespace qsplit::guard {

template <size_t kWords>
class BurstCheck {
 public:
  using Plan = BurstPlan<kWords>;
  using Burst = DescriptorBurst<kWords>;
  static constexpr uint32_t kMost = Burst::kMost;

  // Nothing is plain.
  BurstCheck() = default;
  BurstCheck(const Plan& plan, GuardOptions::Checks checks);

  // Whether anything is ever plain.
  bool there() const { return there_; }
  // As GuardedQueue::How.
  std::string How() const {
    if (!there_) return "one by one: nothing of this layout is plain";
    return wide_ ? "in bursts, with SIMD" : "in bursts, word by word";
  }

  // `count` adjacent slots, at most kMost.
  void Read(const std::byte* first, uint32_t count, Burst* burst) const;
  // All that was read, or copied otherwise.
  void Check(Burst* burst) const;
  // `count` checked descriptors from number `first` on, into slots that the device does not look at
  // yet.
  void Store(const Burst& burst, uint32_t first, uint32_t count, std::byte* to) const;

 private:
  Plan plan_;
  bool there_ = false;
  bool wide_ = false;
};

extern template class BurstCheck<2>;
extern template class BurstCheck<4>;

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_BURST_CHECK_H_
