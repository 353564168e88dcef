// How a transmit driver carries requests: that of a packet without one, and that of the last one,
// as the next packet mostly asks for the same.
//
// Private memory. Never allocates, but for what `make` does. As thread-safe as its driver.
#ifndef QSPLIT_DATAPLANE_TX_PLANS_H_
#define QSPLIT_DATAPLANE_TX_PLANS_H_

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dataplane/metadata.h"
#include "dataplane/tx_contexts.h"
#include "dataplane/tx_program.h"

namespace qsplit::dataplane {

// How a request is carried, as far as all drivers have it.
struct TxPlan {
  TxRequest asked;
  TxRequest request;  // normalized
  int context = TxProgram::kNoContext;
  uint32_t place = 0;  // of the context that the images of bursts name
  // TxContextPlaces::changes() when the context was last seen to be there.
  uint64_t seen_at = UINT64_MAX;

  // Whether the context is there for the next packet, without segmentation; `place` says where.
  bool FindContext(const TxContextPlaces& contexts, const TxProgram& program) {
    bool emit = false;
    DescriptorBytes unused;
    const uint32_t found = contexts.Find(program, context, request, 0, &emit, &unused);
    if (emit) return false;  // the engine sets it up with the first packet
    seen_at = contexts.changes();
    place = found;
    return true;
  }
};

// Plan: a TxPlan, with what one driver has more.
template <typename Plan>
class TxPlans {
 public:
  // plain: of a packet without a request.
  void Start(const Plan& plain) { plain_ = last_ = plain; }

  const Plan& plain() const { return plain_; }
  // make(request): the plan of a request, where the last one's was another.
  template <typename Make>
  Plan& For(const TxRequest& request, const Make& make) {
    if (request.wants.bits == 0) return plain_;
    static_assert(std::has_unique_object_representations_v<TxRequest>);
    if (std::memcmp(&request, &last_.asked, sizeof request) != 0) [[unlikely]] {
      Change(request, make);
    }
    return last_;
  }

 private:
  template <typename Make>
  [[gnu::cold, gnu::noinline]] void Change(const TxRequest& request, const Make& make) {
    last_ = make(request);
  }

  Plan plain_;
  Plan last_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_PLANS_H_
