#include "dataplane/head_progress.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

absl::Status CheckHead(const RingShape& shape) {
  if (!shape.post_forms.empty() && shape.ring->completed().has_cell()) {
    return absl::OkStatus();
  }
  return absl::UnimplementedError(
      absl::StrCat(shape.Where(), ": not completed by a position alone"));
}

}  // namespace

absl::StatusOr<HeadWriter> HeadWriter::Create(const RingShape& shape) {
  if (absl::Status status = CheckHead(shape); !status.ok()) return status;
  absl::StatusOr<ProgressWriter> cell =
      ProgressWriter::OfCell(shape, shape.ring->completed().cell());
  if (!cell.ok()) return cell.status();
  HeadWriter writer;
  writer.at_ = shape.Begin();
  writer.cell_ = *cell;
  return writer;
}

absl::StatusOr<HeadReader> HeadReader::Create(const RingShape& shape) {
  if (absl::Status status = CheckHead(shape); !status.ok()) return status;
  absl::StatusOr<ProgressReader> cell =
      ProgressReader::OfCell(shape, shape.ring->completed().cell());
  if (!cell.ok()) return cell.status();
  absl::StatusOr<Doorbells> doorbells = Doorbells::OfConsumer(shape);
  if (!doorbells.ok()) return doorbells.status();
  HeadReader reader;
  reader.at_ = shape.Begin();
  reader.cell_ = *cell;
  reader.doorbells_ = *doorbells;
  return reader;
}

RingFault HeadReader::Poll(uint64_t posted) {
  uint32_t ahead = 0;
  const auto limit = static_cast<uint32_t>(posted - at_.count());
  if (!cell_.Read(at_, acknowledged_, limit, &ahead)) return RingFault::kDoorbellOutOfRange;
  if (ahead == 0) return RingFault::kEmpty;
  at_.SkipSlots(ahead);
  return RingFault::kNone;
}

bool HeadReader::Acknowledge() {
  if (acknowledged_ == at_.count() || doorbells_.empty()) {
    return false;
  }
  const DoorbellState state = DoorbellState::Of(at_, acknowledged_);
  acknowledged_ = at_.count();
  return doorbells_.Ring(state);
}

}  // namespace qsplit::dataplane
