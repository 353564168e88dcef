// Bursts of transmit queues of any protocol as code of any processor: see generator.h, tx_ring.h.
// Emitter: the one of a processor, see emitter.h.
//
// When a queue is opened only. One thread for an emitter.
#ifndef QSPLIT_DATAPLANE_BURST_TX_RING_CODE_H_
#define QSPLIT_DATAPLANE_BURST_TX_RING_CODE_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/burst/generator.h"
#include "dataplane/burst/tx_ring_done_code.h"
#include "dataplane/burst/tx_ring_packet_code.h"
#include "dataplane/burst/tx_ring_push_code.h"

namespace qsplit::dataplane::burst {

template <typename Emitter>
class TxRingCodeMaker {
 public:
  TxRingCodeMaker(Emitter* emitter, const TxRingPlan& plan, const TxDonePlan& done,
                  TxTurns<Emitter> turns = nullptr)
      : emitter_(emitter), plan_(plan), done_(done), turns_(std::move(turns)) {}

  absl::StatusOr<TxRingCode> Make() {
    std::vector<asmjit::FuncNode*> functions{TxRingPush<Emitter>(emitter_, plan_, turns_).Emit()};
    TxRingDone<Emitter> done(emitter_, done_);
    if (done_.slot_count != 0) functions.push_back(done.EmitTake());
    if (done_.expected_count != 0) functions.push_back(done.EmitTakeExpected());
    if (done_.remembers) functions.push_back(done.EmitTakeRemembered());
    size_t offsets[4] = {};
    absl::StatusOr<std::vector<std::byte>> bytes = emitter_->Finish(functions, offsets);
    if (!bytes.ok()) return bytes.status();
    TxRingCode code{*std::move(bytes), offsets[0]};
    size_t next = 1;
    if (done_.slot_count != 0) code.take = offsets[next++];
    if (done_.expected_count != 0) code.take_expected = offsets[next++];
    if (done_.remembers) code.take_remembered = offsets[next++];
    return code;
  }

 private:
  Emitter* emitter_;
  const TxRingPlan& plan_;
  const TxDonePlan& done_;
  TxTurns<Emitter> turns_;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_TX_RING_CODE_H_
