#!/usr/bin/env python3
"""udp_ping: send UDP datagrams with the kernel's own stack and count the echoes.

    udp_ping.py HOST PORT [--count N] [--size BYTES] [--interval SECONDS] [--timeout SECONDS]

Each datagram carries its number; an echo counts when it comes from HOST:PORT with the same bytes.
Lost ones are not sent again. Prints "sent S answered A" and exits with 0 if all were answered.
"""
import argparse
import socket
import struct
import sys
import time


def main():
    parser = argparse.ArgumentParser(description="UDP echo, counted")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--size", type=int, default=64, help="payload in bytes, at least 8")
    parser.add_argument("--interval", type=float, default=0.005)
    parser.add_argument("--timeout", type=float, default=5.0, help="wait for each echo")
    args = parser.parse_args()

    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.connect((args.host, args.port))
    answered = 0
    for number in range(args.count):
        payload = struct.pack("!Q", number) + b"q" * max(0, args.size - 8)
        try:
            sock.send(payload)
        except OSError:
            pass  # a port-unreachable of an earlier one
        deadline = time.monotonic() + args.timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            sock.settimeout(left)
            try:
                if sock.recv(65536) == payload:
                    answered += 1
                    break
            except TimeoutError:
                break
            except ConnectionRefusedError:
                break
        time.sleep(args.interval)
    print(f"sent {args.count} answered {answered}")
    return 0 if answered == args.count else 1


if __name__ == "__main__":
    sys.exit(main())
