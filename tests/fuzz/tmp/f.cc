#include "qsplit/v1/tmp.pb.h"
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { qsplit::v1::ARequest r; r.ParseFromArray(data, static_cast<int>(size)); return 0; }
