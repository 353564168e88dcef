// Contexts of a transmit queue from both sides: which of them the driver has set up in the device,
// and what the device remembers of them.
//
// Private memory; descriptors come and go as private copies, those that the device's side is given
// were written by a hostile driver. Never allocates after Create. As thread-safe as its owner.
#ifndef QSPLIT_DATAPLANE_TX_CONTEXTS_H_
#define QSPLIT_DATAPLANE_TX_CONTEXTS_H_

#include <cstdint>
#include <vector>

#include "dataplane/cache_line.h"
#include "dataplane/ring_fault.h"
#include "dataplane/tx_program.h"

namespace qsplit::dataplane {

// The driver's side: what stands in the device's places.
class TxContextPlaces {
 public:
  TxContextPlaces() = default;
  explicit TxContextPlaces(const TxProgram& program);

  // The place that holds the context of a request in a form (position in program.contexts); *emit:
  // it must be written first, as *image says then. payload: bytes behind the headers that
  // segmentation repeats.
  uint32_t Find(const TxProgram& program, int context, const TxRequest& request, uint64_t payload,
                bool* emit, DescriptorBytes* image) const;
  // It was written.
  void Remember(const TxProgram& program, int context, uint32_t place, const TxRequest& request,
                const DescriptorBytes& image);
  // How often something was written: as long as it stays, Find says the same.
  uint64_t changes() const { return changes_; }

 private:
  struct Place {
    bool set = false;
    TxRequest request;
    DescriptorBytes image;
  };
  struct State {
    CacheLineVector<Place> places;
    uint32_t next = 0;
  };
  CacheLineVector<State> states_;
  uint64_t changes_ = 0;
};

// The device's side.
class TxContextMemory {
 public:
  TxContextMemory() = default;
  explicit TxContextMemory(const TxProgram& program);

  // Remembers a context descriptor of a form. kUndefinedContext: it names a place that is not
  // there.
  RingFault Take(const TxProgram& program, size_t context, const std::byte* descriptor);
  // Starts *draft with the context that a packet uses, if it does, by its first data descriptor.
  // kUndefinedContext: it wants one that nothing set up.
  RingFault Use(const TxProgram& program, const TxDataForm& data, const std::byte* descriptor,
                RequestDraft* draft);
  // Whether the next packet may get a context that it does not ask for.
  bool MayEnable(const TxProgram& program) const {
    for (size_t i = 0; i < places_.size(); ++i) {
      if (program.contexts[i].Triggers().bits != 0 && places_[i][0].set) return true;
    }
    return false;
  }

 private:
  struct Place {
    bool set = false;
    RequestDraft draft;
  };
  std::vector<CacheLineVector<Place>> places_;  // by form
};

// Bytes of a packet behind the headers that segmentation repeats; 0 without segmentation.
constexpr uint64_t PayloadBytes(const TxRequest& request, uint64_t total) {
  if (!request.wants.Has(TxFeature::kSegment)) return 0;
  const uint64_t headers =
      uint64_t{request.l2_header_bytes} + request.l3_header_bytes + request.l4_header_bytes;
  return total > headers ? total - headers : 0;
}

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_CONTEXTS_H_
