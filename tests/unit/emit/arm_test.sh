#!/usr/bin/env bash
# arm_test.sh: what emitted headers compile to for aarch64 hands slots over and rings doorbells behind
# the barriers that devices need, and takes completions with acquire. Assembled, not run. Exit status 77: no
# such compiler here.
set -euo pipefail
cd "$QSPLIT_SOURCE_DIR"
compiler=aarch64-linux-gnu-g++
command -v $compiler >/dev/null || {
  echo "no $compiler: scripts/setup installs it"
  exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for layout in virtio.packed realtek.rtl8169 mellanox.mlx5 intel.ixgbe.advanced; do
  "$QSPLIT_BIN_DIR/qdlc" "descriptor-specs/$layout.qdl" --emit c++ -o "$work/$layout.h"
done
cat > "$work/loops.cc" <<'CODE'
#include "intel.ixgbe.advanced.h"
#include "mellanox.mlx5.h"
#include "realtek.rtl8169.h"
#include "virtio.packed.h"
using Packed = qsplit_layout::virtio_packed::receive_descriptors_ring;
using Owned = qsplit_layout::realtek_rtl8169::receive_descriptors_ring;
using Work = qsplit_layout::mellanox_mlx5::receive_work_ring;
using Plain = qsplit_layout::intel_ixgbe_advanced::receive_descriptors_ring;
extern "C" {
void post_packed(void* ring, uint32_t slots, Packed::Position& at) {
  Packed::post_RxAvailable(ring, slots, at, [](uint8_t*) {});
}
void post_owned(void* ring, uint32_t slots, Owned::Position& at) {
  Owned::post_RxOwned(ring, slots, at, [](uint8_t*) {});
}
uint32_t refill_packed(void* ring, uint32_t slots, Packed::Position& at, const qsplit_layout::Buffer* b) {
  return Packed::refill(ring, slots, 8, at, [&](size_t i, size_t, qsplit_layout::Buffer& to) {
    to = b[i];
    return true;
  });
}
void ring_register(void* doorbell, const Plain::Position& at) { Plain::ring_producer_doorbell_0(doorbell, at, 1, 0); }
void ring_memory(void* doorbell, const Work::Position& at) { Work::ring_producer_doorbell_0(doorbell, at, 1, 0); }
uint32_t take(void* ring, uint32_t slots, Plain::Position& at, qsplit_layout::Received* to) {
  return Plain::receive(ring, slots, 32, at, 2048, [&](const qsplit_layout::Received& r) { *to++ = r; });
}
}
CODE
flags=(-std=c++20 -O2 -Wall -Wextra -Wshadow -Wconversion -Werror -march=armv8-a)
$compiler "${flags[@]}" -S -o "$work/loops.s" "$work/loops.cc"
# expect FUNCTION PATTERN…: instructions in that order within the function.
expect() {
  local name=$1
  shift
  local body
  body=$(sed -n "/^$name:/,/\.size\t$name/p" "$work/loops.s" | tr -s ' \t\n' ' ')
  local pattern
  pattern=$(IFS='|'; sed 's/|/.*/g' <<< "$*")
  grep -Eq "$pattern" <<< "$body" || {
    echo "$name: not in this order: $*"
    sed -n "/^$name:/,/\.size\t$name/p" "$work/loops.s"
    exit 1
  }
}
expect post_packed "dmb oshst" "stlr"
expect post_owned "dmb oshst" "stlr"
expect refill_packed "dmb oshst" "stlr"
expect ring_register "dsb st" "stlr"
expect ring_memory "dmb oshst" "stlr"
expect take "ldar"
echo "as devices need it"
