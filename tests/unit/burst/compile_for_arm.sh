#!/usr/bin/env bash
# compile_for_arm.sh: what an aarch64 machine compiles of bursts has no mistake: all but the other
# processor's generator, with warnings as errors. Nothing is linked. Exit status 77: no such compiler here.
set -euo pipefail
cd "$QSPLIT_SOURCE_DIR"
compiler=aarch64-linux-gnu-g++
command -v $compiler >/dev/null || {
  echo "no $compiler: scripts/setup installs it"
  exit 77
}
# Headers of libraries are the same for all processors; those of C and C++ are the compiler's own.
flags=(-std=c++20 -Wall -Wextra -Wshadow -Wconversion -Werror -fsyntax-only -DASMJIT_STATIC -I.
  -I"$QSPLIT_BINARY_DIR/proto/gen" -idirafter /usr/include)
find dataplane/burst -name '*.cc' ! -name 'x86_*' -print0 | sort -z |
  xargs -0 -P 2 -n 1 -t $compiler "${flags[@]}"
