#include "qsplit/error.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <string>

#include "absl/strings/cord.h"
#include "client-lib/src/error_detail.h"

namespace qsplit {
namespace internal {

std::optional<v1::ErrorDetail> FindErrorDetail(const std::string& rpc_status) {
  using google::protobuf::internal::WireFormatLite;
  // google.rpc.Status: details are field 3, each an Any. Its generated class is no Debian package.
  constexpr int kDetails = 3;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(rpc_status.data()),
                                            static_cast<int>(rpc_status.size()));
  while (const uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagFieldNumber(tag) != kDetails ||
        WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&in, tag)) return std::nullopt;
      continue;
    }
    uint32_t size;
    std::string bytes;
    google::protobuf::Any any;
    v1::ErrorDetail detail;
    if (!in.ReadVarint32(&size) || size > rpc_status.size() ||
        !in.ReadString(&bytes, static_cast<int>(size)) || !any.ParseFromString(bytes)) {
      return std::nullopt;
    }
    if (any.Is<v1::ErrorDetail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

}  // namespace internal

std::optional<ErrorDetail> GetErrorDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(internal::kErrorDetailUrl);
  v1::ErrorDetail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return ErrorDetail{v1::ErrorReason_Name(detail.reason()), detail.field(), detail.value(),
                     detail.limit()};
}

}  // namespace qsplit
