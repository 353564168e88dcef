// Calls of services whose generated classes are no part of this tree: bytes out, bytes in.
#ifndef QSPLIT_TESTS_UNIT_DAEMON_RAW_RPC_H_
#define QSPLIT_TESTS_UNIT_DAEMON_RAW_RPC_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

namespace qsplit::daemon_test {

// Sends one request on a stream, reads one reply, and ends; "" when it failed.
inline std::string RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                           const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  wait();
  grpc::Slice slice(request);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
  wait();
  grpc::ByteBuffer reply;
  call->Read(&reply, nullptr);
  std::string bytes;
  if (wait()) {
    std::vector<grpc::Slice> slices;
    reply.Dump(&slices).ok();
    for (const auto& part : slices) {
      bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  queue.Shutdown();
  while (wait()) {
  }
  return bytes;
}

}  // namespace qsplit::daemon_test

#endif  // QSPLIT_TESTS_UNIT_DAEMON_RAW_RPC_H_
