#include "dataplane/ring_tx_driver.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

// Whether the first descriptor can say how many there are.
bool CanCount(const TxPost& first, uint32_t descriptors) {
  return !first.descriptor_count.has_value() || first.descriptor_count->CanStore(descriptors);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RingTxDriver>> RingTxDriver::Create(
    const layout::VerifiedLayout& layout, const QueueView& view, const TxOptions& options) {
  absl::StatusOr<QueueShape> shape = ShapeQueue(layout, view, v1::DIRECTION_TRANSMIT);
  if (!shape.ok()) return shape.status();
  auto driver = std::unique_ptr<RingTxDriver>(new RingTxDriver);
  driver->shape_ = *std::move(shape);
  if (absl::Status status = driver->Open(options); !status.ok()) return status;
  return driver;
}

absl::Status RingTxDriver::Open(const TxOptions& options) {
  absl::StatusOr<TxRings> rings = TxRings::Find(shape_);
  if (!rings.ok()) return rings.status();
  rings_ = *rings;
  absl::StatusOr<PostWriter> posts = PostWriter::Create(*rings_.posts);
  if (!posts.ok()) return posts.status();
  posts_ = *std::move(posts);
  if (rings_.HasTable()) {
    if (absl::Status status = OpenTable(); !status.ok()) return status;
  }
  absl::StatusOr<RingTxProgram> program =
      RingTxProgram::Compile(shape_, rings_, table_ ? table_->forms() : posts_->forms());
  if (!program.ok()) return program.status();
  program_ = *std::move(program);
  contexts_ = TxContextPlaces(program_.requests);
  if (absl::Status status = OpenReturns(); !status.ok()) return status;

  uint64_t packets = Capacity();
  for (const TxPost& post : program_.posts) {
    if (post.tag.has_value()) packets = std::min(packets, post.tag->field.MaxRaw() + 1);
    has_report_ = has_report_ || post.report_at.has_value();
  }
  if (program_.prefix_bytes != 0) {
    prefix_stride_ = PrefixStride(program_.prefix_bytes);
    packets = std::min<uint64_t>(packets, shape_.view.scratch_bytes / prefix_stride_);
    if (shape_.view.scratch == nullptr || packets == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(rings_.posts->Where(), ": packets have a prefix of ", program_.prefix_bytes,
                       " bytes, and the view has ", shape_.view.scratch_bytes,
                       " bytes of scratch memory for them"));
    }
  }
  const bool by_slot = rings_.key == v1::COMPLETION_KEY_INDEX && !NamesPositions();
  if (options.access != AccessMode::kEngine) memory_ = MemoryOfBursts();
  ledger_ = TxLedger(static_cast<uint32_t>(packets), by_slot ? rings_.descriptors->slot_count : 0,
                     memory_);
  if (rings_.how == TxReturn::kAddress) {
    // The device may take a descriptor out of its ring long before it completes it.
    addresses_ =
        AddressLedger(std::max(rings_.descriptors->slot_count, rings_.completions->slot_count));
  }
  absl::StatusOr<TimePlaces> times =
      TimePlaces::Find(shape_, rings_, program_, completions_ ? &completions_->forms() : nullptr);
  if (!times.ok()) return times.status();
  times_ = TxTimes(*std::move(times), static_cast<uint32_t>(packets));
  if (times_.possible()) program_.requests.features |= TxFeature::kTimestamp;
  if (program_.prefix_bytes != 0) prefixes_.resize(packets);
  report_every_ = std::max(options.report_every, 1u);
  // However rare reports are, a quarter of the ring at most goes without.
  most_unreported_ = std::max(Capacity() / 4, 1u);
  coalesces_ = has_report_ && !table_ &&
               (rings_.how == TxReturn::kUpTo || rings_.how == TxReturn::kHead ||
                rings_.only_where_reported);
  max_segments_ = FindMaxSegments();
  if (max_segments_ == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(rings_.posts->Where(), ": ", Capacity(), " slots are too few for a packet"));
  }
  plans_.Start(MakePlan(TxRequest{}));
  if (options.access != AccessMode::kEngine) {
    OpenPlain();
    if (coalesces_) {
      const uint32_t some = Whole(most_unreported_ + plain_packet_.slots - 1);
      most_run_ = std::max(1u, std::min(report_every_, some));
    }
    OpenBursts(options);
    plans_.Start(MakePlan(TxRequest{}));  // with its images
  }
  if (max_segments_ > 1) program_.requests.features |= TxFeature::kScatter;
  return absl::OkStatus();
}

absl::Status RingTxDriver::OpenTable() {
  absl::StatusOr<TableWriter> table = TableWriter::Create(*rings_.descriptors);
  if (!table.ok()) return table.status();
  table_ = *std::move(table);
  table_next_.assign(table_->slot_count(), TableWriter::kNone);
  const uint32_t form = posts_->forms()[0].form;
  absl::StatusOr<DescriptorBytes> image = FormImage(*rings_.posts, form);
  if (!image.ok()) return image.status();
  chain_image_ = *image;
  absl::StatusOr<FieldAccess> head = TableIndexOf(ScopeOf(shape_), form);
  if (!head.ok()) return head.status();
  if (head->MaxValue() < table_->slot_count() - 1) {
    return absl::UnimplementedError(
        absl::StrCat(rings_.posts->Where(), ": its table has slots that it cannot name"));
  }
  chain_head_ = *std::move(head);
  return absl::OkStatus();
}

absl::Status RingTxDriver::OpenReturns() {
  if (rings_.how == TxReturn::kHead) {
    absl::StatusOr<HeadReader> head = HeadReader::Create(*rings_.posts);
    if (!head.ok()) return head.status();
    head_ = *head;
    return absl::OkStatus();
  }
  absl::StatusOr<CompletionReader> reader = CompletionReader::Create(*rings_.completions);
  if (!reader.ok()) return reader.status();
  completions_ = *std::move(reader);
  absl::StatusOr<CompletionRules> rules =
      CompletionRules::Compile(shape_, *rings_.completions, completions_->forms());
  if (!rules.ok()) return rules.status();
  rules_ = *std::move(rules);
  if (rings_.CompletesInOwnSlots()) return absl::OkStatus();
  // Nobody may be able to tell the device how far the driver has read: then as many packets go out
  // as completions have room.
  const uint32_t slots = rings_.completions->slot_count;
  const uint32_t kept = std::max(rings_.completions->ring->reserved_slots(), 1u);
  completion_capacity_ = slots > kept ? slots - kept : slots;
  for (uint32_t i = 0; i < completions_->forms().size(); ++i) {
    completion_slots_ = std::max(completion_slots_, completions_->forms()[i].slots);
  }
  if (completion_capacity_ < completion_slots_) {
    return absl::InvalidArgumentError(
        absl::StrCat(rings_.completions->Where(), ": too few slots for a completion"));
  }
  return absl::OkStatus();
}

bool RingTxDriver::Measure(const TxPost& first, uint32_t buffers, uint32_t* descriptors,
                           uint32_t* slots) const {
  const RingForms& forms = table_ ? table_->forms() : posts_->forms();
  const auto slots_of = [&](const TxPost& post, uint32_t count) {
    return forms.SlotsOf(post.ring_form, post.Bytes(count));
  };
  const uint32_t here = std::min(buffers, std::max(first.max_buffers, 1u));
  uint32_t left = buffers - here;
  *descriptors = 1;
  *slots = slots_of(first, first.max_buffers == 0 ? 0 : here);
  if (left == 0) return first.may_end && CanCount(first, 1);
  const TxPost* rest = program_.Rest();
  if (rest == nullptr || !first.may_go_on || rest->max_buffers == 0) return false;
  const uint32_t full = left / rest->max_buffers;
  left -= full * rest->max_buffers;
  *descriptors += full + (left != 0 ? 1 : 0);
  *slots += full * slots_of(*rest, rest->max_buffers) + (left != 0 ? slots_of(*rest, left) : 0);
  return CanCount(first, *descriptors);
}

uint32_t RingTxDriver::FindMaxSegments() const {
  const uint32_t prefix = program_.prefix_bytes != 0 ? 1 : 0;
  uint32_t context_slots = 0;
  uint32_t contexts = 0;
  for (const uint32_t form : program_.context_forms) {
    if (form == RingTxProgram::kNone) continue;
    contexts = 1;
    context_slots = std::max(context_slots, posts_->forms()[form].slots);
  }
  uint64_t bound = 1;
  for (const TxPost& post : program_.posts) {
    bound = std::max(bound, uint64_t{post.max_buffers} * program_.max_descriptors);
  }
  bound = std::min<uint64_t>(bound, uint64_t{Capacity()} * kMaxDescriptorBytes);
  const auto fits = [&](uint32_t segments) {
    for (const TxPost& post : program_.posts) {
      if (!post.MayBeFirst()) continue;
      uint32_t descriptors = 0;
      uint32_t slots = 0;
      if (!Measure(post, segments + prefix, &descriptors, &slots) ||
          descriptors + contexts > program_.max_descriptors || slots + context_slots > Capacity() ||
          (rings_.how == TxReturn::kAddress &&
           uint64_t{descriptors} * completion_slots_ > completion_capacity_)) {
        return false;
      }
      if (post.max_buffers == 0) return true;  // the bytes themselves, however many pieces
    }
    return true;
  };
  if (program_.has_inline) return fits(1) ? kMaxInlineSegments : 0;
  for (auto segments = static_cast<uint32_t>(std::min<uint64_t>(bound, UINT32_MAX / 2));
       segments > 0; --segments) {
    if (fits(segments)) return segments;
  }
  return 0;
}

uint32_t RingTxDriver::Room() {
  if (ledger_.Full() || owed_ + completion_slots_ > completion_capacity_) return 0;
  const uint32_t free = posts_->Room();
  if (!table_) return free;
  return free == 0 ? 0 : table_->Room();
}

uint32_t RingTxDriver::AddressAlignment() const {
  return std::max(shape_.queue->limits().buffer_alignment_bytes(), 1u);
}

RingTxDriver::Plan RingTxDriver::MakePlan(const TxRequest& request) const {
  Plan plan;
  plan.asked = request;
  const std::optional<TxRequest> normalized = NormalizeRequest(request);
  if (!normalized.has_value()) return plan;
  plan.request = *normalized;
  plan.timed = plan.request.wants.Has(TxFeature::kTimestamp) && times_.possible();
  if (times_.unasked()) plan.request.wants.bits &= ~TxFeatures(TxFeature::kTimestamp).bits;
  for (const TxPost& post : program_.posts) {
    if (!post.MayBeFirst()) continue;
    const std::optional<int> context = program_.requests.ContextFor(post, plan.request);
    if (!context.has_value()) continue;
    plan.first = &post;
    plan.context = *context;
    break;
  }
  if (!bursts_.empty()) MakeImages(&plan);
  return plan;
}

RingTxDriver::Plan RingTxDriver::MakeNextPlan(const TxRequest& request) {
  Plan plan = MakePlan(request);
  if (++last_prefix_ == 0) {
    // Nobody knows any more which of them said what.
    std::fill(prefixes_.begin(), prefixes_.end(), 0);
    last_prefix_ = kPlainPrefix + 1;
  }
  plan.prefix = last_prefix_;
  return plan;
}

void RingTxDriver::ReportLast() {
  unreported_.field->Store(unreported_.image.bytes, 1);
  posts_->Rewrite(unreported_.at, unreported_.form, unreported_.image.bytes, unreported_.bytes);
  TxLedger::Packet& packet = ledger_[unreported_.id];
  packet.reported = true;
  packet.owed = rings_.completions == nullptr ? 0 : completion_slots_;
  owed_ += packet.owed;
  if (easy_ != 0) --easy_;  // there may be one packet's completion less
  unreported_.field = nullptr;
  since_report_ = slots_since_report_ = 0;
}

bool RingTxDriver::Publish() {
  if (ledger_.Added() == published_packets_) return false;
  // A completion stands for all packets before it.
  if (unreported_.field != nullptr) [[unlikely]] {
    ReportLast();
  }
  published_packets_ = ledger_.Added();
  addresses_.Publish();
  posts_->Commit();
  published_slots_ = posts_->position().count();
  return posts_->Publish();
}

}  // namespace qsplit::dataplane
