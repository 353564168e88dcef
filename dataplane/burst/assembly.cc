#include "dataplane/burst/assembly.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane::burst {

void Assembly::FirstError::handleError(asmjit::Error, const char* message, asmjit::BaseEmitter*) {
  if (text.empty()) text = message;
}

Assembly::Assembly(const asmjit::Environment& environment) {
  holder_.init(environment);
  holder_.setErrorHandler(&error_);
}

void Assembly::Attach(asmjit::BaseCompiler* compiler) {
  holder_.attach(compiler);
  base_ = compiler;
  base_->addEncodingOptions(asmjit::EncodingOptions::kOptimizedAlign);  // few long nops
  block_label_ = base_->newLabel();
}

int32_t Assembly::AddBytes(std::span<const std::byte> bytes, uint32_t alignment) {
  for (size_t at = 0; at + bytes.size() <= bytes_.size(); at += alignment) {
    if (std::equal(bytes.begin(), bytes.end(), &bytes_[at])) return static_cast<int32_t>(at);
  }
  bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
  const auto at = static_cast<int32_t>(bytes_.size());
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return at;
}

int32_t Assembly::ConstantAt(uint64_t value) {
  for (const auto& [known, at] : constants_) {
    if (known == value) return at;
  }
  const int32_t at = AddBytes(std::as_bytes(std::span(&value, 1)), 8);
  constants_.emplace_back(value, at);
  return at;
}

absl::StatusOr<std::vector<std::byte>> Assembly::Finish(
    std::span<asmjit::FuncNode* const> functions, std::span<size_t> offsets) {
  base_->align(asmjit::AlignMode::kData, 64);
  base_->bind(block_label_);
  base_->embed(bytes_.data(), bytes_.size());
  base_->finalize();
  if (error_.text.empty()) {
    holder_.flatten();
    holder_.resolveUnresolvedLinks();
    holder_.relocateToBase(0);  // nothing in it depends on where it stands
  }
  std::vector<std::byte> code(holder_.codeSize());
  if (error_.text.empty()) {
    holder_.copyFlattenedData(code.data(), code.size(),
                              asmjit::CopySectionFlags::kPadSectionBuffer);
  }
  if (!error_.text.empty()) {
    return absl::InternalError(absl::StrCat("compiled access: the assembler says ", error_.text));
  }
  for (size_t i = 0; i < functions.size(); ++i) {
    offsets[i] = holder_.labelOffset(functions[i]->label());
  }
  return code;
}

}  // namespace qsplit::dataplane::burst
