// The transmit forms of a queue, compiled in both directions: TxRequest to the bytes of data and
// context descriptors for the driver, bytes to TxRequest for the device; and which form with which
// context can carry which request.
//
// Works on private bytes only. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_TX_PROGRAM_H_
#define QSPLIT_DATAPLANE_TX_PROGRAM_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/field_access.h"
#include "dataplane/metadata.h"
#include "dataplane/queue_shape.h"

namespace qsplit::dataplane {

// Forms are no longer than this.
inline constexpr uint32_t kMaxFormBytes = 4096;

// What a request means to descriptors: only what its features speak of, the rest zero, implied
// features added, offsets computed. nullopt: it contradicts itself (a checksum of a kind that has
// none, headers without length).
std::optional<TxRequest> NormalizeRequest(const TxRequest& request);

// What descriptors said so far, before it is made into a request.
struct RequestDraft {
  TxRequest request;
  uint16_t header_bytes = 0;      // all headers together
  uint16_t l3_end = 0;            // last byte of the network header
  uint16_t l4_insert_offset = 0;  // of the transport checksum, from the transport header's start
  // Features whose offsets were said, in one way or another. For others the device looks into the
  // packet.
  TxFeatures told;
};

// The part of a form, data or context, that speaks of requests.
class RequestFields {
 public:
  // Of a form that stands `base` bytes behind the bytes that Store and Load are given.
  static absl::StatusOr<RequestFields> Compile(const QueueScope& scope, uint32_t form,
                                               uint32_t base = 0);
  // Adds those of another form in the same bytes.
  void Append(const RequestFields& more);

  // Features that this form has the enabling bit of, and those that it has operands for.
  TxFeatures Triggers() const { return triggers_; }
  TxFeatures Operands() const { return operands_; }
  // Whether it says anything at all.
  bool Empty() const { return ops_.empty(); }
  // Whether it can tell SCTP from TCP and UDP.
  bool NamesSctp() const { return names_sctp_; }

  // Whether each value of a normalized request that the form speaks of can be said in it; `image`:
  // the form's bytes with its constants.
  bool CanStore(const TxRequest& request, const std::byte* image, uint32_t bytes) const;
  // Writes them; of fields that speak only in the first or last descriptor, those that apply.
  void Store(const TxRequest& request, bool first, bool last, std::byte* descriptor) const;
  // Whether some field of it shares bits with these, or has a condition that looks at them.
  bool LooksAt(const DescriptorBytes& bits) const;
  // Adds what the descriptor says to *draft: features, operands. No checks: see FinishRequest.
  void Load(const std::byte* descriptor, bool first, bool last, RequestDraft* draft) const;
  // Sets all bits of a descriptor that Load looks at.
  void MarkBits(std::byte* mask) const;

 private:
  struct Op {
    layout::Role role{};
    uint32_t base = 0;
    v1::PacketPosition position = v1::PACKET_POSITION_EACH;
    // Of these it tells where things are.
    TxFeatures tells;
    bool has_valid = false;
    uint32_t depth = 0;  // of conditions on fields with conditions
    FieldAccess field;
    Condition valid;
    CodeMap codes;
  };
  void Order();
  // The value of a role for a normalized request; false if the form cannot name it.
  static bool ValueOf(const Op& op, const TxRequest& request, uint64_t* value);

  TxFeatures triggers_;
  TxFeatures operands_;
  bool names_sctp_ = false;
  bool ip6_is_not_ip4_ = false;  // one bit tells IPv4 from IPv6
  bool ip4_is_not_ip6_ = false;  // and one IPv6 from IPv4
  bool tcp_is_not_udp_ = false;  // one bit tells UDP from TCP
  bool mode_sums_ = true;        // offload.mode says whether to sum, no flag beside it
  bool type_cuts_ = true;        // segment.type says whether to cut, no flag beside it
  std::vector<Op> ops_;          // what conditions look at first
};

// After all Loads of a packet: derives offsets from header lengths and the other way round. False:
// what is asked for makes no sense (a checksum to nowhere, segments of no size).
bool FinishRequest(const RequestDraft& draft, TxRequest* request);

// A length of the packet that a descriptor carries: the whole, or what is behind the headers that
// segmentation repeats.
struct PacketLengthField {
  FieldAccess field;
  Condition valid;
  v1::PacketPosition position = v1::PACKET_POSITION_EACH;

  static absl::StatusOr<PacketLengthField> Compile(const QueueScope& scope, uint32_t form,
                                                   const v1::Field& field);
};

// A form that carries bytes of packets.
struct TxDataForm {
  uint32_t form = 0;
  RequestFields request;
  // Of the one buffer, in a form that is driven in place.
  FieldAccess address;
  FieldAccess length;
  LastMark last;
  std::optional<FieldAccess> first;
  std::optional<PacketLengthField> total_length;
  std::optional<PacketLengthField> payload_length;
  std::optional<FieldAccess> report;
  std::optional<FieldAccess> context_index;
  std::optional<FieldAccess> context_present;
  // Constants and frame check sequence; [first][last] with their marks.
  DescriptorBytes image[2][2];
  // Whether it can be a packet's last, and one of those before.
  bool may_end = true;
  bool may_go_on = true;
  // Most bytes in one buffer.
  uint64_t max_bytes = 0;
  // Features that it cannot ask for without a context.
  TxFeatures needs_context;

  // Everything but the buffers: address, length and max_bytes stay as they are. UNIMPLEMENTED: it
  // can be neither last nor one of those before.
  static absl::StatusOr<TxDataForm> Compile(const QueueScope& scope, uint32_t form);
};

// A form that sets a context.
struct TxContextForm {
  uint32_t form = 0;
  v1::ContextLifetime lifetime = v1::CONTEXT_LIFETIME_STICKY;
  // Contexts that the queue keeps; 1 unless indexed.
  uint32_t places = 1;
  RequestFields request;
  std::optional<FieldAccess> index;
  std::optional<PacketLengthField> payload_length;
  // Whether the packet's first descriptor says packet.first in its place.
  bool begins_packet = false;
  // It stands behind the packet's first descriptor.
  bool after_first = false;
  DescriptorBytes image;

  static absl::StatusOr<TxContextForm> Compile(const QueueScope& scope, uint32_t form,
                                               v1::ContextLifetime lifetime, uint32_t contexts);

  // Features whose enabling bit a packet takes from here: only of a context that is its alone.
  TxFeatures Triggers() const {
    return lifetime == v1::CONTEXT_LIFETIME_PACKET ? request.Triggers() : TxFeatures();
  }
};

// Most contexts of an indexed rule that are used.
inline constexpr uint32_t kMaxContextPlaces = 64;
// Most context forms of a queue.
inline constexpr int kMaxContextForms = 4;

struct TxProgram {
  static absl::StatusOr<TxProgram> Compile(const InPlaceShape& shape);

  // The context form that a data form needs for the request: kNoContext for none, nullopt if the
  // request cannot be carried by that form at all.
  static constexpr int kNoContext = -1;
  std::optional<int> ContextFor(const TxDataForm& form, const TxRequest& request) const;
  // Everything that some form can carry, kScatter included.
  TxFeatures Features() const { return features; }
  // With all contexts in place: adds what this form can carry, and finds out what it cannot carry
  // alone.
  void AddFeatures(TxDataForm* form);

  std::vector<TxDataForm> data;
  std::vector<TxContextForm> contexts;
  TxFeatures features;
  uint32_t copy_bytes = 0;       // of an image; whole words of 8
  uint32_t max_descriptors = 0;  // for a packet, contexts included
  uint64_t max_packet_bytes = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_PROGRAM_H_
