#include "dataplane/block_packets.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "dataplane/rx_rings.h"

namespace qsplit::dataplane {

absl::StatusOr<BlockPackets> BlockPackets::Compile(const QueueShape& queue, RxFields wanted) {
  BlockPackets blocks;
  if (queue.rings.size() != 1 || !queue.rings[0].ring->has_packets()) {
    return absl::UnimplementedError(absl::StrCat("layout ", queue.layout->name(), ", queue ",
                                                 queue.queue->name(),
                                                 ": packets do not lie in the slots of one ring"));
  }
  blocks.ring = &queue.rings[0];
  const v1::SlotPackets& from = blocks.ring->ring->packets();
  const QueueScope scope = ScopeOf(queue);
  blocks.slot_bytes = blocks.ring->slots.slot_bytes();
  blocks.block_form = from.first().form();
  blocks.block_bytes = scope.Form(blocks.block_form).size_bytes();
  blocks.packet_bytes = scope.Form(from.form()).size_bytes();
  if (uint64_t{blocks.block_bytes} + 2 * blocks.packet_bytes > blocks.slot_bytes ||
      blocks.packet_bytes > kMaxDescriptorBytes || blocks.slot_bytes % 8 != 0) {
    return absl::UnimplementedError(
        absl::StrCat(blocks.ring->Where(), ": slots too small for packets"));
  }
  struct Row {
    const v1::FieldReference* from;
    FieldAccess* to;
  };
  for (const Row& row : {Row{&from.first(), &blocks.first}, Row{&from.count(), &blocks.count},
                         Row{&from.next(), &blocks.next}}) {
    absl::StatusOr<FieldAccess> field = AccessReference(*scope.layout, *row.from);
    if (!field.ok()) return field.status();
    *row.to = *std::move(field);
  }
  absl::StatusOr<RxProgram> program =
      RxProgram::Compile(scope, from.form(), {wanted, blocks.packet_bytes, {}, true, false});
  if (!program.ok()) return program.status();
  blocks.program = *std::move(program);
  return blocks;
}

}  // namespace qsplit::dataplane
