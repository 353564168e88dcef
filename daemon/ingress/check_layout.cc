#include "daemon/ingress/field_checks.h"
#include "daemon/ingress/request_checks.h"

namespace qsplit::ingress {

absl::Status Check(const v1::GetLayoutRequest& request) {
  switch (request.by_case()) {
    case v1::GetLayoutRequest::kName:
      return CheckName("name", request.name(), kMaxLayoutName);
    case v1::GetLayoutRequest::kDigest:
      return CheckLength("digest", request.digest().size(), 32);
    case v1::GetLayoutRequest::BY_NOT_SET:
      break;
  }
  return Malformed("by", "", "name or digest", "neither name nor digest is given; give one");
}

}  // namespace qsplit::ingress
