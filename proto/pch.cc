// Exists so that the target qsplit_grpc_pch has something to compile beside its header.
