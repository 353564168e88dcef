// The layout loader's fuzzer: bytes as a peer may send them.
//
// Beyond surviving: what is accepted is canonical, loads again from its own bytes with the same
// digest, answers every look-up and can be shown; what is refused says where. Canonicalize is
// idempotent on every message that parses, sound or not.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/canonical.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace {

using qsplit::layout::VerifiedLayout;

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "layout_loader: does not hold: %s\n", what);
  std::abort();
}

void CheckAccepted(const VerifiedLayout& layout) {
  Require(layout.digest().size() == 32, "the digest has 32 bytes");
  const auto again = VerifiedLayout::FromBytes(layout.canonical_bytes());
  Require(again.ok(), "canonical bytes load");
  Require(again->digest() == layout.digest(), "the digest is stable");
  Require(again->canonical_bytes() == layout.canonical_bytes(), "canonical bytes are stable");
  Require(!qsplit::layout::EmitText(layout).empty(), "a layout can be shown as text");
  Require(!qsplit::layout::EmitJson(layout).empty(), "a layout can be shown as json");
  const auto& forms = layout.message().forms();
  for (int i = 0; i < forms.size(); ++i) {
    const auto form = static_cast<uint32_t>(i);
    Require(layout.FormIndex(forms[i].name()) == form, "a form is found by its name");
    for (const auto& field : forms[i].fields()) {
      Require(layout.FindField(form, field.name()) == &field, "a field is found by its name");
      for (const auto& mask : qsplit::layout::ByteMasks(field)) {
        Require(mask.byte < forms[i].size_bytes() && mask.mask != 0, "bits lie inside the form");
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto layout = VerifiedLayout::FromBytes(bytes);
  if (layout.ok()) {
    CheckAccepted(*layout);
  } else {
    Require(layout.status().code() == absl::StatusCode::kInvalidArgument, "InvalidArgument");
    Require(!layout.status().message().empty(), "a refusal has words");
  }

  const google::protobuf::LogSilencer quiet;
  qsplit::v1::Layout message;
  if (size > 65536 || !message.ParseFromArray(data, static_cast<int>(size))) return 0;
  const qsplit::v1::Layout once = qsplit::layout::Canonicalize(message);
  const std::string canonical = qsplit::layout::SerializeCanonical(once);
  Require(qsplit::layout::SerializeCanonical(qsplit::layout::Canonicalize(once)) == canonical,
          "Canonicalize is idempotent");
  const auto loaded = VerifiedLayout::FromBytes(canonical);
  if (loaded.ok()) CheckAccepted(*loaded);
  return 0;
}
