// Queues of commands, from both sides, as raw descriptors: bytes of one of the layout's forms go
// in with a cookie, completions come out with it. How the rings work is the layout's alone: one
// ring or several, tags, indices, addresses of slots, order, or completion in place.
//
// Memory is shared as the ring layer's other headers say; neither side trusts the other. Tables,
// and completions by a position alone, are not driven here.
// Never: allocates after Create, locks, makes a system call. One thread at a time for each side.
#ifndef QSPLIT_DATAPLANE_COMMAND_RING_H_
#define QSPLIT_DATAPLANE_COMMAND_RING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/cache_line.h"
#include "dataplane/completion_reader.h"
#include "dataplane/completion_rules.h"
#include "dataplane/completion_writer.h"
#include "dataplane/post_reader.h"
#include "dataplane/post_writer.h"
#include "dataplane/ring_fault.h"
#include "dataplane/ring_shape.h"

namespace qsplit::dataplane {

// The rings of a queue of commands: one to post into, one with completions, which may be the same.
struct CommandQueueRings {
  const RingShape* posts = nullptr;
  const RingShape* completions = nullptr;
};
// UNIMPLEMENTED: more of them, or a table.
absl::StatusOr<CommandQueueRings> FindCommandRings(const QueueShape& queue);

// What a posting form has that a completion may name.
struct CommandForm {
  std::optional<FieldAccess> tag;
  std::optional<FieldAccess> address;
};
absl::StatusOr<std::vector<CommandForm>> CompileCommandForms(const RingShape& shape,
                                                             const RingForms& forms);
// Bytes into private memory. False: not as many as the form (with its parts) has.
bool CommandImage(const RingForm& form, std::span<const std::byte> bytes, DescriptorBytes* image);

// A completion, as the driver got it.
struct CommandCompletion {
  static constexpr uint32_t kNoForm = UINT32_MAX;
  // Index in Layout.forms of what `bytes` are; kNoForm: bytes of no form, and then there are none.
  uint32_t form = kNoForm;
  std::span<const std::byte> bytes;  // valid until the next Poll
  // Whether it completes a command; else it is an event of its own, or names what is not there.
  bool has_command = false;
  uint64_t cookie = 0;
  // For cumulative rules: how many commands it completes, the named one being the last.
  uint32_t commands = 1;
};

class alignas(kCacheLineBytes) CommandDriver {
 public:
  // For the command queue that the view names, or the layout's first one. NOT_FOUND,
  // INVALID_ARGUMENT, UNIMPLEMENTED as the ring layer's.
  static absl::StatusOr<std::unique_ptr<CommandDriver>> Create(const layout::VerifiedLayout& layout,
                                                               const QueueView& view);
  static absl::StatusOr<std::unique_ptr<CommandDriver>> Create(QueueShape shape);

  // Commands that may be outstanding, and those that are.
  uint32_t Capacity() const { return posts_.Capacity(); }
  uint32_t Outstanding() const { return outstanding_; }

  // Posts one command of a form (index in Layout.forms): its bytes; a field with the role tag, if
  // the form has one, and what the ring itself needs are written over them. False: no room now, no
  // form that may be posted, or not its size.
  bool Post(uint32_t form, std::span<const std::byte> bytes, uint64_t cookie);
  // True: wake the device.
  bool Publish() { return posts_.Publish(); }
  // The next completion; false if there is none. Acknowledge ends a burst.
  bool Poll(CommandCompletion* out);
  bool Acknowledge() { return completions_.Publish(); }

 private:
  static constexpr uint32_t kNoCommand = UINT32_MAX;
  struct Pending {
    bool pending = false;
    uint32_t slots = 0;
    uint32_t index = 0;
    uint64_t end = 0;  // count behind it
    uint64_t address = 0;
    uint64_t order = 0;
    uint64_t cookie = 0;
  };
  CommandDriver(QueueShape shape, PostWriter posts, CompletionReader completions)
      : shape_(std::move(shape)), posts_(std::move(posts)), completions_(std::move(completions)) {}
  uint32_t FindCommand(const CompletionTarget& target) const;
  void FinishOne(uint32_t number);

  QueueShape shape_;
  PostWriter posts_;
  CompletionReader completions_;
  CompletionRules rules_;
  uint32_t post_ring_ = 0;  // number in Queue.rings
  bool own_slots_ = false;
  // Slots and numbers come back in order: completions name places, not numbers.
  bool in_order_ = true;
  std::vector<CommandForm> forms_;
  CacheLineVector<Pending> commands_;  // by number, which is the tag
  CacheLineVector<uint32_t> free_;
  CacheLineVector<uint32_t> by_slot_;  // number of the command that begins in a slot
  uint64_t posted_ = 0;
  uint64_t oldest_ = 0;
  CacheLineVector<uint32_t> by_order_;  // a ring of numbers
  uint32_t outstanding_ = 0;
  DescriptorBytes copy_;
};

// A command, as the device got it.
struct Command {
  uint32_t form = 0;                 // index in Layout.forms
  std::span<const std::byte> bytes;  // valid until the next Fetch
  // For Complete.
  struct Handle {
    uint32_t index = 0;
    uint32_t slots = 1;
    uint64_t tag = 0;
    uint64_t address = 0;
  } handle;
};

class alignas(kCacheLineBytes) CommandDevice {
 public:
  static absl::StatusOr<std::unique_ptr<CommandDevice>> Create(const layout::VerifiedLayout& layout,
                                                               const QueueView& view);
  static absl::StatusOr<std::unique_ptr<CommandDevice>> Create(QueueShape shape);

  RingFault Fetch(Command* out);
  // Completes a command with bytes of a form (index in Layout.forms), into which its key goes. In
  // the order of Fetch where the ring asks for it. False: no room now, or a form that may not
  // complete it.
  bool Complete(const Command::Handle& command, uint32_t form, std::span<const std::byte> bytes);
  // A completion that belongs to no command.
  bool Event(uint32_t form, std::span<const std::byte> bytes);
  // Makes completions visible where a cell says how far. Once for each burst.
  void Publish() {
    completions_.Publish();
    posts_.PublishConsumed();
  }
  void SetNeedWakeup(bool need) { posts_.SetNeedWakeup(need); }
  RingFault fault() const {
    return posts_.fault() != RingFault::kNone ? posts_.fault() : completions_.fault();
  }

 private:
  CommandDevice(QueueShape shape, PostReader posts, CompletionWriter completions)
      : shape_(std::move(shape)), posts_(std::move(posts)), completions_(std::move(completions)) {}
  bool Put(uint32_t form, std::span<const std::byte> bytes, const Command::Handle* command);

  QueueShape shape_;
  PostReader posts_;
  CompletionWriter completions_;
  CompletionRules rules_;
  uint32_t post_ring_ = 0;
  bool own_slots_ = false;
  uint64_t iova_ = 0;
  uint32_t slot_bytes_ = 0;
  std::vector<CommandForm> forms_;
  DescriptorBytes copy_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_COMMAND_RING_H_
