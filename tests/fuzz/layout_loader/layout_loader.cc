// The layout loader's fuzzer: bytes as a peer may send them.
//
// Beyond surviving: what is accepted is canonical, loads again from its own bytes with the same
// digest, answers every look-up and can be shown; what is refused says where.
// Canonicalize is idempotent on every message that parses, sound or not.
//
// Half of the mutations change the message rather than its bytes.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "descriptor-lang/emit/outputs.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/canonical.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/fuzz/support/input.h"
#include "tests/fuzz/support/layouts.h"

// Of libFuzzer; not there in a replay, which does not mutate.
extern "C" __attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

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
  // One output for each layout; another layout gets another one.
  const auto outputs = qsplit::layout::Outputs();
  const auto& output = outputs[static_cast<uint8_t>(layout.digest()[0]) % outputs.size()];
  Require(!output.emit(layout).empty(), "a layout can be shown");
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
  if (layout.ok()) return 0;
  const auto loaded = VerifiedLayout::FromBytes(canonical);
  if (loaded.ok()) CheckAccepted(*loaded);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most,
                                          unsigned int seed) {
  std::minstd_rand random(seed);
  const google::protobuf::LogSilencer quiet;
  qsplit::v1::Layout message;
  if (random() % 2 == 0 || !message.ParseFromArray(data, static_cast<int>(size))) {
    return LLVMFuzzerMutate(data, size, most);
  }
  for (auto changes = 1 + random() % 3; changes > 0; --changes) {
    uint8_t choices[64];
    for (uint8_t& choice : choices) choice = static_cast<uint8_t>(random() >> 8);
    qsplit::fuzz::Input in(choices, sizeof choices);
    qsplit::fuzz::ChangeLayout(&message, in);
  }
  const std::string bytes =
      qsplit::layout::SerializeCanonical(qsplit::layout::Canonicalize(std::move(message)));
  if (bytes.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
