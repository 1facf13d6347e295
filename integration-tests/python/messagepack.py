"""MessagePack, reading only: what a struct of Rust becomes, and no extension types.

Written after https://github.com/msgpack/msgpack/blob/master/spec.md. Lengths are checked against the bytes that are
left before anything is made of them, and nesting is bounded.
"""

from __future__ import annotations

import struct
from typing import Any

MAX_DEPTH = 128
"""How deep arrays and maps may be nested."""

_NUMBERS = {
    0xCA: ">f", 0xCB: ">d",
    0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_LENGTHS = {
    0xC4: ("bin", 1), 0xC5: ("bin", 2), 0xC6: ("bin", 4),
    0xD9: ("str", 1), 0xDA: ("str", 2), 0xDB: ("str", 4),
    0xDC: ("array", 2), 0xDD: ("array", 4),
    0xDE: ("map", 2), 0xDF: ("map", 4),
}  # fmt: skip
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def loads(data: bytes) -> Any:
    """The one value that ``data`` is.

    >>> loads(bytes.fromhex("82a46e616d65a3416461a36167652a"))
    {'name': 'Ada', 'age': 42}
    >>> loads(b"\\x93\\x01")
    Traceback (most recent call last):
    ValueError: an array of 3 in 1 bytes

    :raises ValueError: for bytes that are no value, for a value that something follows, for extension types, for map
        keys that are neither text nor integers, and for more than :data:`MAX_DEPTH` levels.
    """
    reader = _Reader(data)
    value = reader.value(MAX_DEPTH)
    if reader.left():
        raise ValueError(f"{reader.left()} bytes follow the value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def value(self, depth: int) -> Any:
        marker = self._take(1)[0]
        if marker < 0x80:
            return marker
        if marker >= 0xE0:
            return marker - 0x100
        if marker < 0x90:
            return self._map(marker & 0x0F, depth)
        if marker < 0xA0:
            return self._array(marker & 0x0F, depth)
        if marker < 0xC0:
            return self._take(marker & 0x1F).decode()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in _NUMBERS:
            form = struct.Struct(_NUMBERS[marker])
            return form.unpack(self._take(form.size))[0]
        if marker not in _LENGTHS:
            raise ValueError(f"the marker {marker:#04x} is of an extension type, or of none")
        kind, width = _LENGTHS[marker]
        length = int.from_bytes(self._take(width), "big")
        if kind == "array":
            return self._array(length, depth)
        if kind == "map":
            return self._map(length, depth)
        taken = self._take(length)
        return taken.decode() if kind == "str" else taken

    def _array(self, length: int, depth: int) -> list[Any]:
        self._check("an array", length, length, depth)
        return [self.value(depth - 1) for _ in range(length)]

    def _map(self, length: int, depth: int) -> dict[Any, Any]:
        self._check("a map", length, 2 * length, depth)
        result = {}
        for _ in range(length):
            key = self.value(depth - 1)
            if type(key) not in (str, int):
                raise ValueError("a map has a key that is neither text nor an integer")
            result[key] = self.value(depth - 1)
        return result

    def _check(self, what: str, length: int, least: int, depth: int) -> None:
        # Every element takes at least one byte.
        if least > self.left():
            raise ValueError(f"{what} of {length} in {self.left()} bytes")
        if depth == 0:
            raise ValueError(f"more than {MAX_DEPTH} levels")

    def _take(self, length: int) -> bytes:
        if length > self.left():
            raise ValueError(f"{length} bytes wanted, {self.left()} are left")
        start = self._at
        self._at += length
        return self._data[start : self._at]
