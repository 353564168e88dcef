#!/usr/bin/env bash
# run.sh: install the build of QSPLIT_BINARY_DIR into a folder of its own, build the project beside
# this file against it from outside of the tree, and run it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${QSPLIT_BINARY_DIR:?is the build folder to install from; ctest sets it}"
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

cmake --install "$QSPLIT_BINARY_DIR" --prefix "$temp/prefix" >"$temp/install.log" ||
  { cat "$temp/install.log"; exit 1; }
cp -r "$here" "$temp/consumer"
flags=()
if grep -q '^QSPLIT_SANITIZE:[^=]*=.' "$QSPLIT_BINARY_DIR/CMakeCache.txt"; then
  # A library with sanitizers needs programs that have them.
  kind=$(sed -n 's/^QSPLIT_SANITIZE:[^=]*=//p' "$QSPLIT_BINARY_DIR/CMakeCache.txt")
  flags=("-DCMAKE_CXX_FLAGS=-fsanitize=$kind" "-DCMAKE_EXE_LINKER_FLAGS=-fsanitize=$kind")
fi
cmake -S "$temp/consumer" -B "$temp/build" -G Ninja "-DCMAKE_PREFIX_PATH=$temp/prefix" \
  ${flags[@]+"${flags[@]}"}
cmake --build "$temp/build"

# No installed file may lead back into the source tree or the build tree.
if grep -rIlE "$(cd "$here/../.." && pwd)" "$temp/prefix" | grep -E '\.(cmake|h|pc|service)$'; then
  echo "the files above name the source tree"
  exit 1
fi
# What the README and the unit name.
for file in bin/qsplitd bin/qsplit bin/qdlc share/man/man1/qsplit.1 share/man/man8/qsplitd.8 \
  share/bash-completion/completions/qsplit lib/systemd/system/qsplitd.service etc/qsplit/qsplitd.toml; do
  [ -f "$temp/prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done
# There is no daemon at this folder: the library must say so, in words, and name the folder.
out=$("$temp/build/consumer" "$temp/no-daemon-here")
echo "$out"
grep -q '^UNAVAILABLE' <<<"$out"
grep -q "$temp/no-daemon-here" <<<"$out"
