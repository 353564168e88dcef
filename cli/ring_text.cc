#include "cli/ring_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/table.h"
#include "descriptor-lang/emit/codec.h"
#include "descriptor-lang/emit/field_value.h"

namespace qsplit::cli {
namespace {

using layout::VerifiedLayout;

// One ring of an answer, checked against the layout.
struct Image {
  const v1::Ring* ring = nullptr;
  const v1::RingImage* read = nullptr;
  std::vector<uint32_t> choices;
  std::span<const uint8_t> bytes;

  uint32_t slots() const { return static_cast<uint32_t>(bytes.size() / ring->slot_bytes()); }
  std::span<const uint8_t> Slot(uint32_t slot) const {
    return bytes.subspan(size_t{slot} * ring->slot_bytes(), ring->slot_bytes());
  }
  // From the slot's first byte on, for descriptors that are longer than a slot.
  std::span<const uint8_t> From(uint32_t slot) const {
    const auto rest = bytes.subspan(size_t{slot} * ring->slot_bytes());
    return rest.first(std::min(rest.size(), layout::kMaxDecodedBytes));
  }
};

absl::StatusOr<std::vector<Image>> ImagesOf(const VerifiedLayout& layout,
                                            const v1::ReadQueueRequest& request,
                                            const v1::ReadQueueResponse& response) {
  const auto wrong = [&](absl::string_view what) {
    return absl::InternalError(
        absl::StrCat("ReadQueue's answer does not fit layout ", layout.name(), ": ", what));
  };
  const v1::Queue* queue =
      layout.FindQueue(request.transmit() ? v1::DIRECTION_TRANSMIT : v1::DIRECTION_RECEIVE);
  if (queue == nullptr) return wrong("it has no such queue");
  std::vector<Image> images;
  for (const v1::RingImage& read : response.rings()) {
    if (read.ring() >= static_cast<uint32_t>(queue->rings_size())) return wrong("too many rings");
    const v1::Ring& ring = queue->rings(static_cast<int>(read.ring()));
    if (read.slots().size() % ring.slot_bytes() != 0) return wrong("half a slot");
    if (read.cells_size() > ring.cells_size()) return wrong("too many cells");
    Image& image = images.emplace_back();
    image.ring = &ring;
    image.read = &read;
    image.choices.assign(response.feature_choices().begin(), response.feature_choices().end());
    image.bytes = {reinterpret_cast<const uint8_t*>(read.slots().data()), read.slots().size()};
  }
  return images;
}

std::string CellsText(const Image& image) {
  std::string text;
  for (int i = 0; i < image.read->cells_size(); ++i) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", image.ring->cells(i).name(), " ",
                    image.read->cells(i));
  }
  const auto bells = [&](const auto& values, absl::string_view whose) {
    for (const uint64_t value : values) {
      absl::StrAppend(&text, text.empty() ? "" : ", ", whose, " doorbell ", value);
    }
  };
  bells(image.read->producer_doorbells(), "producer's");
  bells(image.read->consumer_doorbells(), "consumer's");
  return text;
}

// "length=60 end_of_packet=1": what means something and is not 0.
std::string FieldsText(const VerifiedLayout& layout, uint32_t form,
                       std::span<const uint8_t> bytes) {
  const auto decoded = layout::Decode(layout, form, bytes);
  if (!decoded.ok()) return "(cut off)";
  std::string text;
  for (const layout::DecodedField& field : decoded->fields) {
    if (!field.valid || field.raw == 0 || field.is_array) continue;
    absl::StrAppend(&text, text.empty() ? "" : " ", field.name, "=",
                    field.meaning.empty() ? field.value : field.meaning);
  }
  return text.empty() ? "all 0" : text;
}

void AppendSlot(const VerifiedLayout& layout, const Image& image, uint32_t slot, bool detail,
                std::string* text) {
  const std::optional<uint32_t> form =
      FormOfSlot(layout, *image.ring, image.choices, image.From(slot));
  absl::StrAppendFormat(text, "%7u  %s\n", image.read->first_slot() + slot,
                        form ? absl::StrCat(layout.message().forms(static_cast<int>(*form)).name(),
                                            "  ", FieldsText(layout, *form, image.From(slot)))
                             : "no descriptor of the layout");
  if (detail) absl::StrAppend(text, "         ", layout::HexText(image.Slot(slot)));
}

}  // namespace

std::optional<uint32_t> FormOfSlot(const VerifiedLayout& layout, const v1::Ring& ring,
                                   std::span<const uint32_t> choices,
                                   std::span<const uint8_t> bytes) {
  const auto fits = [&](uint32_t form) {
    const v1::Form& of_layout = layout.message().forms(static_cast<int>(form));
    return layout::Applies(of_layout.features(), choices) &&
           layout::CanBe(layout.message(), form, bytes);
  };
  const auto first = [&](const auto& forms, auto&& also) -> std::optional<uint32_t> {
    const auto found = std::find_if(forms.begin(), forms.end(),
                                    [&](uint32_t form) { return fits(form) && also(form); });
    return found == forms.end() ? std::nullopt : std::optional<uint32_t>(*found);
  };
  const auto always = [](uint32_t) { return true; };
  // Where both sides write into the same slots, a condition tells whose turn it was.
  if (ring.completed().has_when()) {
    const auto completed = first(ring.complete_forms(), [&](uint32_t form) {
      return layout::Holds(layout.message(), ring.completed().when(), form, bytes);
    });
    if (completed) return completed;
  }
  const auto posted = first(ring.post_forms(), always);
  return posted ? posted : first(ring.complete_forms(), always);
}

absl::StatusOr<std::string> RingsText(const VerifiedLayout& layout,
                                      const v1::ReadQueueRequest& request,
                                      const v1::ReadQueueResponse& response, bool detail) {
  const auto images = ImagesOf(layout, request, response);
  if (!images.ok()) return images.status();
  std::string text = absl::StrFormat(
      "%s queue %u of %s: layout %s, lease %u\n", request.transmit() ? "transmit" : "receive",
      request.queue(), Harmless(request.device()), layout.name(), response.lease_id());
  for (const Image& image : *images) {
    absl::StrAppendFormat(&text, "\nring %s: %u slots of %u bytes\n", image.ring->name(),
                          image.read->slot_count(), image.ring->slot_bytes());
    if (const std::string cells = CellsText(image); !cells.empty()) {
      absl::StrAppend(&text, "   ", cells, "\n");
    }
    for (uint32_t slot = 0; slot < image.slots(); ++slot) {
      AppendSlot(layout, image, slot, detail, &text);
      uint32_t same = slot + 1;
      while (same < image.slots() && std::ranges::equal(image.Slot(slot), image.Slot(same))) ++same;
      if (same - slot > 2) {
        absl::StrAppendFormat(&text, "      …  %u more like it\n", same - slot - 1);
        slot = same - 1;
      }
    }
    const uint32_t end = image.read->first_slot() + image.slots();
    if (end < image.read->slot_count()) {
      absl::StrAppendFormat(&text, "      …  %u slots that were not read\n",
                            image.read->slot_count() - end);
    }
  }
  return text;
}

absl::StatusOr<std::string> RingsJson(const VerifiedLayout& layout,
                                      const v1::ReadQueueRequest& request,
                                      const v1::ReadQueueResponse& response) {
  const auto images = ImagesOf(layout, request, response);
  if (!images.ok()) return images.status();
  std::string text;
  for (const Image& image : *images) {
    for (uint32_t slot = 0; slot < image.slots(); ++slot) {
      const std::string where = absl::StrFormat("{\"ring\":\"%s\",\"slot\":%u", image.ring->name(),
                                                image.read->first_slot() + slot);
      const auto form = FormOfSlot(layout, *image.ring, image.choices, image.From(slot));
      const auto decoded =
          form ? layout::Decode(layout, *form, image.From(slot))
               : absl::StatusOr<layout::DecodedDescriptor>(absl::NotFoundError("no form"));
      if (!decoded.ok()) {
        absl::StrAppend(&text, where, "}\n");
        continue;
      }
      // The descriptor's own object goes on where this one begins.
      absl::StrAppend(&text, where, ",", layout::DecodedJson(layout, *decoded).substr(1));
    }
  }
  return text;
}

}  // namespace qsplit::cli
