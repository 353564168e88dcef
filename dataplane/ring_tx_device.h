// The device's side of a transmit queue of any protocol that the ring layer knows. See tx_device.h
// for what it promises.
//
//   Fetch      private copies of descriptors ──► a whole packet, or nothing consumed ──► a record
//   Complete   records ──► head, slots or completions; in order where the layout's are in order
//
// The driver is hostile: descriptors, cells, tables and prefixes are read once into private copies,
// chains are no longer than the ring, and no more packets are fetched than their completions have
// room for. One thread at a time.
#ifndef QSPLIT_DATAPLANE_RING_TX_DEVICE_H_
#define QSPLIT_DATAPLANE_RING_TX_DEVICE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "dataplane/burst/slot_reader.h"
#include "dataplane/cache_line.h"
#include "dataplane/completion_rules.h"
#include "dataplane/completion_writer.h"
#include "dataplane/head_progress.h"
#include "dataplane/post_reader.h"
#include "dataplane/ring_tx_program.h"
#include "dataplane/table_slots.h"
#include "dataplane/tx_contexts.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_times.h"

namespace qsplit::dataplane {

class alignas(kCacheLineBytes) RingTxDevice {
 public:
  static absl::StatusOr<std::unique_ptr<RingTxDevice>> Create(const layout::VerifiedLayout& layout,
                                                              const QueueView& view,
                                                              const TxDeviceOptions& options);

  AccessReport Access() const;
  TxFeatures Features() const { return program_.requests.features; }
  uint32_t PeekAvailable();
  RingFault Fetch(TxWork* out);
  // PlainTx::slot is the record's number. *nothing becomes true where it is so, and stays as it is
  // elsewhere.
  uint32_t FetchPlain(std::span<PlainTx> out, bool* nothing);
  void CompletePlain(std::span<const PlainTx> packets);
  TxHandle HandleOf(const PlainTx& packet) const;
  void Complete(const TxHandle& handle, uint64_t time_ns);
  void SetNeedWakeup(bool need) { posts_->SetNeedWakeup(need); }

 private:
  // A packet that was fetched.
  struct Record {
    bool fetched = false;  // and not completed
    bool sent = false;     // waits for those before it
    bool report = true;
    bool wants_time = false;
    bool answers = false;  // over the request at `request`
    uint32_t first_slot = 0;
    uint32_t slots = 0;  // of the ring that is followed
    uint32_t owed = 0;   // slots of completions to be written
    uint32_t index = 0;  // first slot of its last descriptor; of a chain's first one
    uint64_t tag = 0;
    uint64_t number = 0;
    uint64_t time_ns = 0;
    Iova request;
  };
  // What a packet's descriptors said.
  struct Gathered {
    const TxPost* first = nullptr;
    const TxPost* last = nullptr;  // if it is another descriptor
    uint32_t descriptors = 0;
    uint32_t data = 0;  // of them with bytes
    uint32_t contexts = 0;
    uint32_t segments = 0;
    uint32_t inline_bytes = 0;
    uint32_t index = 0;
    uint64_t bytes = 0;
    uint64_t tag = 0;
    bool report = false;
  };

  RingTxDevice() = default;
  absl::Status Open(const TxDeviceOptions& options);
  absl::Status OpenTable();
  absl::Status OpenCompletions();

  RingFault FetchOne(TxWork* out);
  void FindReader(const layout::VerifiedLayout& layout, const TxDeviceOptions& options);
  // Null: packets of this form are more than a plan can say.
  std::unique_ptr<burst::SlotReader> MakeReader(uint32_t form, bool compiled) const;
  // Of FetchPlain what a plan can do: how many.
  uint32_t FetchRun(std::span<PlainTx> out);
  // Where a packet broke off, until more is handed over there.
  bool StillStuck();
  RingFault GatherRing(Gathered* g);
  RingFault GatherChain(Gathered* g);
  // One descriptor; its copy is first_copy_ or copy_.
  RingFault AddDescriptor(const TxPost& post, const DescriptorBytes& copy, uint32_t bytes,
                          uint32_t index, bool in_table, Gathered* g);
  RingFault AddTable(const TxPost& post, const TxSegment& table, Gathered* g);
  RingFault TakePrefix(Gathered* g, uint32_t* skip);
  // What stands in front of the packet's bytes, at *at, if its first descriptor says so.
  RingFault TakeBefore(const Gathered& g, std::optional<Iova>* at);
  RingFault MakeRequest(const Gathered& g, TxRequest* request);
  // Completions that a packet needs; false: there is no room for them now.
  bool ReserveCompletions(const Gathered& g, uint32_t* owed);

  bool InOrder() const { return rings_.how != TxReturn::kEach; }
  void Emit(const Record& record);
  void EmitInPlace(const Record& record);
  // The time of a packet into a completion that is about to be written.
  void AddTime(const Record& record, std::byte* image) const {
    if (record.wants_time && times_.in_completions && times_.completions[done_form_].has_value()) {
      times_.completions[done_form_]->Store(record.time_ns, image);
    }
  }
  void WriteCompletion(const Record& record, uint64_t value, uint32_t advance);
  void WriteAnswer(const Record& record) const;
  // A completion where only a position completes.
  void WriteSlot(const Record& record) const;

  QueueShape shape_;
  TxRings rings_;
  RingTxProgram program_;
  DeviceMemory memory_;
  std::optional<PostReader> posts_;
  std::optional<TableReader> table_;
  FieldAccess chain_head_;
  TxContextMemory contexts_;

  std::optional<HeadWriter> head_;
  std::optional<CompletionWriter> completions_;
  CompletionRules rules_;
  TimePlaces times_;
  uint32_t done_form_ = 0;  // among the completion ring's
  DescriptorBytes done_image_;
  uint32_t done_slots_ = 1;
  bool has_report_ = false;

  std::shared_ptr<const burst::SlotReader> reader_;  // null: none
  CacheLineVector<uint32_t> notes_;                  // by slot
  CacheLineVector<Record> records_;
  CacheLineVector<uint32_t> free_;
  CacheLineVector<uint32_t> order_;  // those fetched, where they complete in order; a ring
  uint64_t order_begin_ = 0;
  uint64_t order_end_ = 0;
  CacheLineVector<uint64_t> addresses_;  // of their buffers, where completions name these; a ring
  uint64_t addresses_begin_ = 0;
  uint64_t addresses_end_ = 0;
  uint64_t fetched_ = 0;  // packets, ever
  uint32_t owed_ = 0;     // slots of completions to be written
  uint32_t blocked_ = 0;  // slots of completions that a packet waits for
  bool is_stuck_ = false;
  PostReader::Mark stuck_;

  DescriptorBytes first_copy_;
  DescriptorBytes copy_;
  CacheLineVector<TxSegment> segments_;
  CacheLineVector<std::byte> inline_;
  // A packet that FetchPlain found to be none: for the next Fetch.
  std::optional<TxWork> held_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_TX_DEVICE_H_
