# cmake -DOBJECT=steering.bpf.o -DOUT=steering_object.cc -P embed.cmake: the object as bytes of the
# daemon, which then needs no file of its own to load.
file(READ "${OBJECT}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
# Lines of bounded length: compilers dislike one of 300,000.
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUT}" "// Made of steering.bpf.c by clang.
#include \"daemon/backend/af_xdp/xdp_object.h\"

namespace qsplit::af_xdp {
namespace {
alignas(8) constexpr unsigned char kBytes[] = {
${bytes}
};
}  // namespace

std::span<const unsigned char> SteeringObject() { return kBytes; }

}  // namespace qsplit::af_xdp
")
