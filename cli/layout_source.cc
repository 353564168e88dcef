#include "cli/layout_source.h"

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "qsplit/v1/layout_service.grpc.pb.h"

namespace qsplit::cli {
namespace {

using layout::VerifiedLayout;

constexpr size_t kMaxFileBytes = 16 << 20;

// The daemon's layout of this name, checked like anybody's bytes.
absl::StatusOr<VerifiedLayout> Fetch(Context& context, const std::string& name) {
  v1::GetLayoutRequest request;
  request.set_name(name);
  v1::GetLayoutResponse response;
  auto status = context.Ask(&response, [&](auto* rpc, auto* out) {
    return context.Stub<v1::LayoutService>()->GetLayout(rpc, request, out);
  });
  if (!status.ok()) return status;
  auto layout = VerifiedLayout::FromBytes(response.layout());
  if (layout.ok() && layout->digest() != response.digest()) {
    return absl::DataLossError(
        absl::StrCat("layout ", name, ": the digest is not that of its bytes"));
  }
  return layout;
}

}  // namespace

absl::StatusOr<VerifiedLayout> LoadLayout(const std::string& path) {
  if (absl::EndsWith(path, ".qdl")) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a spec; compile it first: qdlc ",
                                                   path, " -o ", path.substr(0, path.size() - 4),
                                                   ".layout"));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, " cannot be read"));
  // A byte more than is read shows that the file is too long; a folder cannot be read at all.
  std::string bytes(kMaxFileBytes + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad()) return absl::InvalidArgumentError(absl::StrCat(path, " is no file"));
  bytes.resize(static_cast<size_t>(file.gcount()));
  if (bytes.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has more than ", kMaxFileBytes, " bytes; no layout is so long"));
  }
  auto layout = VerifiedLayout::FromBytes(bytes);
  if (!layout.ok()) {
    return absl::Status(layout.status().code(),
                        absl::StrCat(path, ": ", layout.status().message()));
  }
  return layout;
}

absl::StatusOr<VerifiedLayout> GetLayout(Context& context, const std::string& name) {
  if (absl::StrContains(name, "/") || absl::EndsWith(name, ".layout") ||
      absl::EndsWith(name, ".qdl")) {
    return LoadLayout(name);
  }
  return Fetch(context, name);
}

absl::StatusOr<std::vector<VerifiedLayout>> GetAllLayouts(Context& context) {
  v1::ListLayoutsResponse response;
  auto status = context.Ask(&response, [&](auto* rpc, auto* out) {
    return context.Stub<v1::LayoutService>()->ListLayouts(rpc, {}, out);
  });
  if (!status.ok()) return status;
  std::vector<VerifiedLayout> layouts;
  for (const v1::LayoutSummary& summary : response.layouts()) {
    auto layout = Fetch(context, summary.layout().name());
    if (!layout.ok()) return layout.status();
    layouts.push_back(*std::move(layout));
  }
  return layouts;
}

}  // namespace qsplit::cli
