// What code is put together with whatever the processor: functions, labels, and one block of
// constants and tables behind them. Each processor's emitter is one, and adds its instructions.
//
// When a queue is opened only. One thread for each.
#ifndef QSPLIT_DATAPLANE_BURST_ASSEMBLY_H_
#define QSPLIT_DATAPLANE_BURST_ASSEMBLY_H_

#include <asmjit/core.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace qsplit::dataplane::burst {

class Assembly {
 public:
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  // Bytes of the block, at a multiple of `alignment` (at most 64): their offset in it. Equal ones
  // share their place.
  int32_t AddBytes(std::span<const std::byte> bytes, uint32_t alignment);
  // A constant's offset in the block; equal ones share their place.
  int32_t ConstantAt(uint64_t value);

  asmjit::Label NewLabel() { return base_->newLabel(); }
  void Bind(const asmjit::Label& label) { base_->bind(label); }
  // What follows begins at a multiple of 64 bytes.
  void AlignCode() { base_->align(asmjit::AlignMode::kCode, 64); }

  // All functions and the block, as bytes; offsets of the functions. INTERNAL: what the assembler
  // said.
  absl::StatusOr<std::vector<std::byte>> Finish(std::span<asmjit::FuncNode* const> functions,
                                                std::span<size_t> offsets);

 protected:
  explicit Assembly(const asmjit::Environment& environment);
  ~Assembly() = default;
  // The derived class's compiler, once.
  void Attach(asmjit::BaseCompiler* compiler);

  const asmjit::Label& block_label() const { return block_label_; }

 private:
  // The first thing that went wrong; later calls do nothing harmful.
  struct FirstError : asmjit::ErrorHandler {
    void handleError(asmjit::Error error, const char* message,
                     asmjit::BaseEmitter* origin) override;
    std::string text;
  };

  FirstError error_;
  asmjit::CodeHolder holder_;
  asmjit::BaseCompiler* base_ = nullptr;
  asmjit::Label block_label_;
  std::vector<std::byte> bytes_;
  std::vector<std::pair<uint64_t, int32_t>> constants_;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_ASSEMBLY_H_
