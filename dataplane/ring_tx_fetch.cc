// Packets out of descriptors: see ring_tx_device.h. Everything that is read here was written by a
// hostile driver.
#include <algorithm>
#include <cstring>

#include "dataplane/ring_tx_device.h"

namespace qsplit::dataplane {

RingFault RingTxDevice::AddTable(const TxPost& post, const TxSegment& table, Gathered* g) {
  const uint32_t count = table.bytes / post.fixed_bytes;
  // No longer than a chain may be.
  if (count == 0 || table.bytes % post.fixed_bytes != 0) return RingFault::kBufferLength;
  if (count > rings_.descriptors->slot_count) return RingFault::kChainTooLong;
  const RingForms& forms = table_ ? table_->forms() : posts_->forms();
  const bool chained = program_.span == v1::SPAN_NEXT_INDEX;
  DescriptorBytes copy{};
  uint64_t at = 0;
  for (uint32_t seen = 0; seen < count; ++seen) {
    if (!memory_.Read(table.address + at * post.fixed_bytes, copy.bytes, post.fixed_bytes)) {
      return RingFault::kUnreachable;
    }
    const int form = forms.Match(copy.bytes, seen == 0);
    if (form < 0 || program_.uses[static_cast<size_t>(form)].kind != RingTxProgram::Kind::kData) {
      return RingFault::kUndefinedForm;
    }
    const TxPost& inner = program_.posts[program_.uses[static_cast<size_t>(form)].at];
    const RingFault fault = AddDescriptor(inner, copy, inner.fixed_bytes, g->index, true, g);
    if (fault != RingFault::kNone) return fault;
    if (!chained) {
      ++at;
      continue;
    }
    if (inner.last.IsLast(copy.bytes)) return RingFault::kNone;
    at = inner.next_index.has_value() ? inner.next_index->Load(copy.bytes) : count;
    if (at >= count) return RingFault::kSlotOutOfRange;
  }
  return chained ? RingFault::kChainTooLong : RingFault::kNone;
}

RingFault RingTxDevice::AddDescriptor(const TxPost& post, const DescriptorBytes& copy,
                                      uint32_t bytes, uint32_t index, bool in_table, Gathered* g) {
  if (!in_table) {
    const bool first = g->data++ == 0;
    const bool last = program_.span == v1::SPAN_COUNT_IN_FIRST || post.last.IsLast(copy.bytes);
    g->index = index;
    if (post.tag.has_value() && SpeaksIn(post.tag->position, first, last)) {
      g->tag = post.tag->field.Load(copy.bytes);
    }
    if (post.report_at.has_value() && SpeaksIn(post.report_at->position, first, last)) {
      g->report = g->report || post.report_at->field.Load(copy.bytes) != 0;
    }
  }
  if (post.max_buffers == 0) {
    // The bytes stand behind the descriptor: copied once, then looked at.
    const uint64_t length = post.inline_length->Load(copy.bytes);
    if (length == 0 || length > post.inline_max) return RingFault::kBufferLength;
    const RingShape& ring = *rings_.descriptors;
    std::memcpy(inline_.data(),
                ring.view.slots + size_t{index} * ring.ring->slot_bytes() + post.inline_at,
                static_cast<size_t>(length));
    g->inline_bytes = static_cast<uint32_t>(length);
    g->bytes += length;
    return g->bytes > program_.max_packet_bytes ? RingFault::kBufferLength : RingFault::kNone;
  }
  const uint32_t buffers = post.Buffers(copy.bytes, bytes);
  if (buffers == 0) return RingFault::kBufferLength;
  for (uint32_t i = 0; i < buffers; ++i) {
    TxSegment segment;
    if (!post.Get(i, copy.bytes, &segment)) return RingFault::kBufferLength;
    if (post.indirect.has_value() && post.indirect->Load(copy.bytes) != 0) {
      // A table of its own ends the packet, and holds no other.
      if (in_table || !post.last.IsLast(copy.bytes)) return RingFault::kBadRequest;
      const RingFault fault = AddTable(post, segment, g);
      if (fault != RingFault::kNone) return fault;
      continue;
    }
    if (g->segments == segments_.size()) return RingFault::kChainTooLong;
    segments_[g->segments++] = segment;
    g->bytes += segment.bytes;
  }
  const uint64_t prefix = program_.prefix_bytes;
  return g->bytes > prefix && g->bytes - prefix > program_.max_packet_bytes
             ? RingFault::kBufferLength
             : RingFault::kNone;
}

RingFault RingTxDevice::GatherRing(Gathered* g) {
  const uint32_t begun = posts_->Fetched();
  uint64_t expected = 0;  // descriptors, where the first one says how many
  for (;;) {
    const bool first = g->first == nullptr;
    DescriptorBytes& copy = first ? first_copy_ : copy_;
    FetchedDescriptor fetched;
    const RingFault fault = posts_->Next(copy.bytes, &fetched, first);
    if (fault == RingFault::kEmpty && begun == 0 && posts_->Fetched() + 1 >= posts_->slot_count() &&
        posts_->Fetched() > 1) {
      return RingFault::kChainTooLong;  // all slots of the ring, and no end
    }
    if (fault != RingFault::kNone) return fault;
    const RingTxProgram::Use use = program_.uses[fetched.form];
    if (use.kind == RingTxProgram::Kind::kContext) {
      const TxContextForm& context = program_.requests.contexts[use.at];
      if (first == context.after_first) return RingFault::kUndefinedForm;
      ++g->contexts;
      if (!first) ++g->descriptors;
      const RingFault taken = contexts_.Take(program_.requests, use.at, copy.bytes);
      if (taken != RingFault::kNone) return taken;
    } else {
      if (++g->descriptors + std::min(g->contexts, 1u) > program_.max_descriptors) {
        return RingFault::kChainTooLong;
      }
      if (use.kind == RingTxProgram::Kind::kSilent) {
        if (first) return RingFault::kUndefinedForm;
        g->last = nullptr;
      } else {
        const TxPost& post = program_.posts[use.at];
        const RingFault added = AddDescriptor(post, copy, fetched.bytes, fetched.index, false, g);
        if (added != RingFault::kNone) return added;
        (first ? g->first : g->last) = &post;
        if (first && post.descriptor_count.has_value()) {
          expected = post.descriptor_count->Load(copy.bytes);
        }
        if (program_.span != v1::SPAN_COUNT_IN_FIRST && post.last.IsLast(copy.bytes)) {
          return RingFault::kNone;
        }
      }
    }
    if (program_.span != v1::SPAN_COUNT_IN_FIRST || g->first == nullptr) continue;
    if (expected == 0 || expected > program_.max_descriptors) return RingFault::kChainTooLong;
    if (g->descriptors == expected) return RingFault::kNone;
  }
}

RingFault RingTxDevice::GatherChain(Gathered* g) {
  DescriptorBytes head;
  FetchedDescriptor fetched;
  const RingFault fault = posts_->Next(head.bytes, &fetched);
  if (fault != RingFault::kNone) return fault;
  const uint64_t begin = chain_head_.Load(head.bytes);
  uint64_t slot = begin;
  // A chain is no longer than the table; a longer one goes round in circles.
  for (;;) {
    const bool first = g->first == nullptr;
    DescriptorBytes& copy = first ? first_copy_ : copy_;
    uint32_t form = 0;
    const RingFault read = table_->Read(slot, first, copy.bytes, &form);
    if (read != RingFault::kNone) return read;
    if (program_.uses[form].kind != RingTxProgram::Kind::kData) return RingFault::kUndefinedForm;
    if (++g->descriptors > program_.max_descriptors) return RingFault::kChainTooLong;
    const TxPost& post = program_.posts[program_.uses[form].at];
    const RingFault added =
        AddDescriptor(post, copy, post.fixed_bytes, static_cast<uint32_t>(begin), false, g);
    if (added != RingFault::kNone) return added;
    (first ? g->first : g->last) = &post;
    if (post.last.IsLast(copy.bytes)) return RingFault::kNone;
    if (!post.next_index.has_value()) return RingFault::kUndefinedForm;
    slot = post.next_index->Load(copy.bytes);
  }
}

RingFault RingTxDevice::TakePrefix(Gathered* g, uint32_t* skip) {
  *skip = 0;
  if (program_.prefix_bytes == 0) return RingFault::kNone;
  // Drivers may put it into a buffer of its own, in front of the packet, or into several.
  DescriptorBytes prefix{};
  uint32_t have = 0;
  while (have < program_.prefix_bytes) {
    if (*skip == g->segments) return RingFault::kBufferLength;
    TxSegment& segment = segments_[*skip];
    const uint32_t bytes = std::min(segment.bytes, program_.prefix_bytes - have);
    if (!memory_.Read(segment.address, prefix.bytes + have, bytes)) return RingFault::kUnreachable;
    have += bytes;
    segment.address = segment.address + bytes;
    segment.bytes -= bytes;
    if (segment.bytes == 0) ++*skip;
  }
  if (*skip == g->segments) return RingFault::kBufferLength;  // nothing behind it
  g->bytes -= program_.prefix_bytes;
  return contexts_.Take(program_.requests, static_cast<size_t>(program_.prefix), prefix.bytes);
}

RingFault RingTxDevice::TakeBefore(const Gathered& g, std::optional<Iova>* at) {
  if (program_.before_bytes == 0 || g.first->context_present->Load(first_copy_.bytes) == 0) {
    return RingFault::kNone;
  }
  if (g.segments == 0) return RingFault::kBadRequest;
  DescriptorBytes request{};
  const Iova bytes = segments_[0].address;
  if (bytes.value < program_.before_bytes) return RingFault::kUnreachable;
  *at = Iova(bytes.value - program_.before_bytes);
  if (!memory_.Read(**at, request.bytes, program_.before_bytes)) return RingFault::kUnreachable;
  return contexts_.Take(program_.requests, static_cast<size_t>(program_.before), request.bytes);
}

RingFault RingTxDevice::MakeRequest(const Gathered& g, TxRequest* request) {
  RequestDraft draft;
  const RingFault fault = contexts_.Use(program_.requests, *g.first, first_copy_.bytes, &draft);
  if (fault != RingFault::kNone) return fault;
  g.first->request.Load(first_copy_.bytes, true, g.last == nullptr, &draft);
  if (g.last != nullptr) g.last->request.Load(copy_.bytes, false, true, &draft);
  return FinishRequest(draft, request) ? RingFault::kNone : RingFault::kBadRequest;
}

bool RingTxDevice::ReserveCompletions(const Gathered& g, uint32_t* owed) {
  *owed = 0;
  if (!completions_.has_value() || rings_.how == TxReturn::kInPlace) return true;
  if (!has_report_ || g.report) *owed = done_slots_;
  if (rings_.how == TxReturn::kAddress) {
    *owed = done_slots_ * g.segments;
    if (addresses_end_ - addresses_begin_ + g.segments > addresses_.size()) return false;
  }
  if (rings_.how == TxReturn::kDescriptor) *owed = done_slots_ * g.data;
  if (rings_.CompletesInOwnSlots() || completions_->HasRoom(owed_ + *owed)) return true;
  blocked_ = owed_ + *owed;
  return false;
}

RingFault RingTxDevice::FetchOne(TxWork* out) {
  if (posts_->fault() != RingFault::kNone) return posts_->fault();
  if (free_.empty() || StillStuck()) return RingFault::kEmpty;
  blocked_ = 0;
  is_stuck_ = false;
  const PostReader::Mark begin = posts_->mark();
  const uint32_t first_slot = posts_->position().index();
  Gathered g;
  RingFault fault = table_ ? GatherChain(&g) : GatherRing(&g);
  if (fault == RingFault::kEmpty) {
    is_stuck_ = posts_->Fetched() != begin.fetched;
    stuck_ = posts_->mark();
    posts_->Rewind(begin);
    return fault;
  }
  uint32_t owed = 0;
  if (fault == RingFault::kNone && !ReserveCompletions(g, &owed)) {
    if (completions_->fault() != RingFault::kNone) return posts_->Fail(completions_->fault());
    posts_->Rewind(begin);
    return RingFault::kEmpty;
  }
  if (rings_.how == TxReturn::kAddress && fault == RingFault::kNone) {
    for (uint32_t i = 0; i < g.segments; ++i) {
      addresses_[addresses_end_++ % addresses_.size()] = segments_[i].address.value;
    }
  }
  uint32_t skip = 0;
  std::optional<Iova> request;
  if (fault == RingFault::kNone) fault = TakePrefix(&g, &skip);
  if (fault == RingFault::kNone) fault = TakeBefore(g, &request);
  if (fault == RingFault::kNone) fault = MakeRequest(g, &out->request);
  if (fault != RingFault::kNone) return posts_->Fail(fault);

  const uint32_t id = free_.back();
  free_.pop_back();
  Record& record = records_[id];
  record.fetched = true;
  record.sent = false;
  record.report = !has_report_ || g.report;
  record.first_slot = first_slot;
  record.slots = posts_->Fetched() - begin.fetched;
  record.owed = owed;
  record.index = g.index;
  record.tag = g.tag;
  record.number = fetched_++;
  // Only what stands in front of the bytes asks for an answer there.
  const bool asked = out->request.wants.Has(TxFeature::kTimestamp);
  record.wants_time = times_.unasked || (asked && times_.Any());
  record.answers = asked && times_.before.has_value() && request.has_value();
  record.request = request.value_or(Iova());
  out->wants_time = record.wants_time;
  owed_ += owed;
  if (InOrder()) order_[order_end_++ % order_.size()] = id;
  out->inline_bytes = std::span<const std::byte>(inline_.data(), g.inline_bytes);
  out->segments = std::span<const TxSegment>(segments_.data() + skip, g.segments - skip);
  out->bytes = g.bytes;
  out->handle = {first_slot, table_ ? g.descriptors : record.slots, id, record.number};
  posts_->PublishConsumed();
  return RingFault::kNone;
}

RingFault RingTxDevice::Fetch(TxWork* out) {
  if (!held_.has_value()) return FetchOne(out);
  *out = *held_;
  held_.reset();
  return RingFault::kNone;
}

}  // namespace qsplit::dataplane
