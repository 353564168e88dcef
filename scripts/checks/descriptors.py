"""descriptors: reads what `protoc --descriptor_set_out` writes, without protobuf's Python package.

Only what the proto check needs of google/protobuf/descriptor.proto: names, numbers, types, reserved
ranges, and the comments of each element.
"""

import os
import subprocess
import tempfile
from dataclasses import dataclass, field


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _fields(data):
    """(number, value) for each field of a wire-format message: ints for varints, bytes otherwise."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def _all(data, number):
    return [v for n, v in _fields(data) if n == number]


def _one(data, number, default=None):
    values = _all(data, number)
    return values[-1] if values else default


def _text(data, number):
    return _one(data, number, b"").decode()


@dataclass
class Element:
    """A message, field, oneof, enum, value, service or rpc."""

    kind: str
    name: str
    full: str  # without the package: Message.field
    line: int = 1
    comment: bool = False
    number: int = 0
    parent: str = ""
    reserved: list = field(default_factory=list)  # (first, last) inclusive
    reserved_names: set = field(default_factory=set)
    request: str = ""
    response: str = ""
    client_streaming: bool = False
    server_streaming: bool = False
    synthetic: bool = False


@dataclass
class File:
    path: str
    package: str
    syntax: str
    elements: list


def _locations(data):
    """{path tuple: (line, has a comment)} of SourceCodeInfo."""
    found = {}
    for location in _all(_one(data, 9, b""), 1):
        path, at, packed = [], 0, _one(location, 1, b"")
        while at < len(packed):
            value, at = _varint(packed, at)
            path.append(value)
        span = _one(location, 2, b"\0")
        line, _ = _varint(span, 0)
        found[tuple(path)] = (line + 1, bool(_one(location, 3) or _one(location, 4)))
    return found


def _file(data):
    places = _locations(data)
    out = []

    def add(kind, path, scope, name, **more):
        line, comment = places.get(tuple(path), (1, False))
        full = f"{scope}.{name}" if scope else name
        out.append(Element(kind, name, full, line, comment, parent=scope, **more))
        return full

    def enum(value, path, scope):
        ranges = [(_one(r, 1, 0), _one(r, 2, 0)) for r in _all(value, 4)]
        names = {n.decode() for n in _all(value, 5)}
        full = add("enum", path, scope, _text(value, 1), reserved=ranges, reserved_names=names)
        for i, v in enumerate(_all(value, 2)):
            number = _one(v, 2, 0)
            number -= (1 << 64) if number >> 63 else 0
            add("enum value", [*path, 2, i], full, _text(v, 1), number=number)

    def message(value, path, scope):
        if _one(_one(value, 7, b""), 7, 0):  # map_entry
            return
        ranges = [(_one(r, 1, 0), _one(r, 2, 0) - 1) for r in _all(value, 9)]
        names = {n.decode() for n in _all(value, 10)}
        full = add("message", path, scope, _text(value, 1), reserved=ranges, reserved_names=names)
        optional = set()
        for i, f in enumerate(_all(value, 2)):
            add("field", [*path, 2, i], full, _text(f, 1), number=_one(f, 3, 0))
            if _one(f, 17, 0):  # proto3_optional: its oneof is protoc's, not the author's
                optional.add(_one(f, 9, 0))
        for i, o in enumerate(_all(value, 8)):
            if i not in optional:
                add("oneof", [*path, 8, i], full, _text(o, 1))
        for i, m in enumerate(_all(value, 3)):
            message(m, [*path, 3, i], full)
        for i, e in enumerate(_all(value, 4)):
            enum(e, [*path, 4, i], full)

    for i, m in enumerate(_all(data, 4)):
        message(m, [4, i], "")
    for i, e in enumerate(_all(data, 5)):
        enum(e, [5, i], "")
    for i, s in enumerate(_all(data, 6)):
        full = add("service", [6, i], "", _text(s, 1))
        for j, r in enumerate(_all(s, 2)):
            add("rpc", [6, i, 2, j], full, _text(r, 1),
                request=_text(r, 2).rsplit(".", 1)[-1], response=_text(r, 3).rsplit(".", 1)[-1],
                client_streaming=bool(_one(r, 5, 0)), server_streaming=bool(_one(r, 6, 0)))
    return File(_text(data, 1), _text(data, 2), _text(data, 12), out)


def load(folder, paths):
    """The Files of `paths` under the include folder. Raises RuntimeError with protoc's words."""
    with tempfile.TemporaryDirectory() as temp:
        out = os.path.join(temp, "set")
        run = subprocess.run(
            ["protoc", "-I", folder, "--include_source_info", f"--descriptor_set_out={out}",
             *[os.path.join(folder, p) for p in paths]],
            capture_output=True, text=True, check=False,
        )
        if run.returncode:
            raise RuntimeError(run.stderr.strip())
        with open(out, "rb") as f:
            return [_file(v) for v in _all(f.read(), 1)]
