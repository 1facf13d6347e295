"""Reads entries that Larder wrote, without Larder: the description in ``docs/envelope.md``, as a program.

It needs Python 3.10 and, for entries that are compressed with zstd, the package ``zstandard``. Hashing is done in
Python alone, at some megabytes a second; for more, put ``xxhash.xxh3_64_intdigest`` in place of :func:`xxh3_64`.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import larder_key
import messagepack
from xxh3 import xxh3_64

VERSION = 1
"""The version that is read."""
MAGIC = b"LRD\x1a"
"""How every envelope begins."""
FIXED = 96
"""The length of the fixed part of the header."""
MAX_HEADER = 64 * 1024
"""The longest header, in bytes."""
NEVER = 2**64 - 1
"""The moment that does not come."""
DEFAULT_MAX_VALUE = 64 * 1024 * 1024
"""The largest value, decompressed, that is read unless the caller says otherwise."""

FORMATS = {0: "raw", 1: "json", 2: "msgpack", 3: "postcard"}
LEASE = 127
"""The format of an entry that has no value: it stands for a load in progress."""
CODECS = {0: "none", 1: "gzip", 2: "zstd"}

_FIXED = struct.Struct("<4sBBBBQIIQQQQQIHBBQQQ")
_LONG_KEY = 1


class Miss(Exception):
    """Why bytes are no entry of a key: never an error of the store's.

    :ivar reason: the name that Larder's logs and metrics use, too.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Stamp:
    """What an entry was written under: the version of a level of its namespace, or of a tag."""

    scope: int | str
    """A level of the namespace, 0 the outermost; or a tag."""
    version: int
    """The entry is dead once the version is another."""
    record: str | None
    """The key under which the version is kept; ``None`` for a level that the namespace does not have."""


@dataclass(frozen=True)
class Envelope:
    """An entry: what is known about a value, and the value as bytes. Times are milliseconds since 1970."""

    format: int
    codec: int
    dictionary: int
    raw_length: int
    revision: int
    created: int
    load_cost: int
    """In microseconds."""
    schema: int
    fresh_until: int
    expires: int
    key: str
    whole_key: bytes | None
    """SHA-256 of all parts of a key that is too long to be shown whole."""
    stamps: tuple[Stamp, ...]
    user: tuple[tuple[str, bytes], ...]
    body: bytes

    def is_live(self, now: int) -> bool:
        """Whether the entry still exists at this time."""
        return now < self.expires


def read(data: bytes, key: str | None = None, whole_key: bytes | None = None) -> Envelope:
    """Reads what a store returned for ``key``, in the order of ``docs/envelope.md``. Nothing is decompressed.

    Without a key, whatever key the envelope names is accepted. Without ``whole_key``, the SHA-256 of all parts, a long
    key is known by its text alone, and two whose digests collide are not told apart.

    :raises Miss: with the reason why it is no entry of this key.
    """
    if len(data) < FIXED:
        raise Miss(*_LENGTH) if data[:4] == MAGIC[: len(data)] else Miss(*_FOREIGN)
    (
        magic, version, format_, codec, flags, checksum, header_length, dictionary, body_length, raw_length, revision,
        created, load_cost, schema, key_length, stamp_count, user_count, fresh_until, expires, lifetime_checksum,
    ) = _FIXED.unpack_from(data)  # fmt: skip
    if magic != MAGIC:
        raise Miss(*_FOREIGN)
    if version == 0:
        raise Miss("malformed", "the envelope's version is not valid")
    if version > VERSION:
        raise Miss("future_version", f"the envelope has version {version}, which is newer than this program")
    if not FIXED <= header_length <= MAX_HEADER or header_length + body_length != len(data):
        raise Miss(*_LENGTH)
    # The seed covers what the hashed bytes leave out.
    seed = int.from_bytes(data[:8], "little")
    if xxh3_64(data[16:72] + data[FIXED:], seed) != checksum:
        raise Miss(*_CHECKSUM)

    rest = _Fields(data[FIXED:header_length])
    text = rest.take(key_length, "key")
    if flags not in (0, _LONG_KEY):
        raise Miss("malformed", "the envelope's flags are not valid")
    whole = rest.take(32, "key") if flags == _LONG_KEY else None
    if key is None:
        key = text.decode("ascii", errors="replace")
    same = text == key.encode(errors="surrogateescape") and (whole is not None) == larder_key.is_long(key)
    if not same or (whole_key is not None and whole != whole_key):
        raise Miss("other_key", "the bytes belong to another key")
    if xxh3_64(data[72:88], xxh3_64(text)) != lifetime_checksum:
        raise Miss(*_CHECKSUM)
    if schema != larder_key.schema(key):
        raise Miss("schema", f"the value has schema {schema}")
    stamps = tuple(rest.stamp(key) for _ in range(stamp_count))
    user = tuple(rest.user() for _ in range(user_count))
    if rest.left():
        raise Miss("malformed", "the envelope's header length is not valid")
    return Envelope(
        format_, codec, dictionary, raw_length, revision, created, load_cost, schema, fresh_until, expires, key, whole,
        stamps, user, data[header_length:],
    )  # fmt: skip


def decompress(
    envelope: Envelope, max_value: int = DEFAULT_MAX_VALUE, dictionaries: Mapping[int, bytes] | None = None
) -> bytes:
    """The value's bytes before compression: exactly as many as the envelope says, and at most ``max_value``.

    :param dictionaries: trained zstd dictionaries, by the id that the envelope names.
    :raises Miss: with the reason why they cannot be had.
    """
    if envelope.raw_length > max_value:
        raise Miss(
            "declared_too_large",
            f"the value says it has {envelope.raw_length} bytes; at most {max_value} are allowed",
        )
    if envelope.codec == 0:
        if len(envelope.body) != envelope.raw_length:
            raise Miss("malformed", "the envelope's raw length is not valid")
        return envelope.body
    if envelope.codec == 1:
        return _gunzip(envelope.body, envelope.raw_length)
    if envelope.codec == 2:
        return _unzstd(envelope, dictionaries or {})
    raise Miss("unknown_codec", f"no codec with id {envelope.codec} is known")


def decode(format_: int, raw: bytes) -> Any:
    """The value that these bytes are in this format; raw bytes as they are.

    :raises Miss: for bytes that are no value, and for a format that is not known. Postcard is one: its bytes cannot
        be read without the type that they were made of.
    """
    if format_ not in (0, 1, 2):
        raise Miss("unknown_format", f"values of format {FORMATS.get(format_, format_)} cannot be read here")
    try:
        if format_ == 1:
            return _bounded(json.loads(raw.decode(), parse_constant=_refuse_constant))
        return messagepack.loads(raw) if format_ == 2 else raw
    except (ValueError, RecursionError) as error:
        raise Miss("format", f"the body does not deserialize: {error}") from error


_FOREIGN = ("foreign", "the bytes are not an envelope of Larder")
_LENGTH = ("length", "the envelope is shorter or longer than it says")
_CHECKSUM = ("checksum", "the envelope's checksum does not match")


class _Fields:
    """Takes fields off the front of the variable part of a header, and never more than there is."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, length: int, field: str) -> bytes:
        if length > self.left():
            raise Miss("malformed", f"the envelope's {field} is not valid")
        start = self._at
        self._at += length
        return self._data[start : self._at]

    def stamp(self, key: str) -> Stamp:
        kind, operand = self.take(2, "tags")
        if kind == 0:
            return Stamp(operand, self._version(), larder_key.generation_record(key, operand))
        if kind == 1:
            tag = self._text(operand, "tags")
            return Stamp(tag, self._version(), larder_key.tag_record(key, tag))
        raise Miss("malformed", "the envelope's tags is not valid")

    def user(self) -> tuple[str, bytes]:
        name = self._text(self.take(1, "metadata")[0], "metadata")
        length = int.from_bytes(self.take(2, "metadata"), "little")
        return name, self.take(length, "metadata")

    def _version(self) -> int:
        return int.from_bytes(self.take(8, "tags"), "little")

    def _text(self, length: int, field: str) -> str:
        try:
            return self.take(length, field).decode()
        except UnicodeDecodeError:
            raise Miss("malformed", f"the envelope's {field} is not valid") from None


def _gunzip(body: bytes, raw_length: int) -> bytes:
    gzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        # One byte more than there should be shows a bomb; a limit of 0 would be none.
        raw = gzip.decompress(body, raw_length + 1)
    except zlib.error as error:
        raise Miss("codec", f"the body does not decompress: {error}") from error
    if len(raw) != raw_length or not gzip.eof or gzip.unused_data:
        raise Miss("codec", "the body does not decompress: its length is not the declared one")
    return raw


def _unzstd(envelope: Envelope, dictionaries: Mapping[int, bytes]) -> bytes:
    try:
        import zstandard
    except ModuleNotFoundError:
        raise Miss("unknown_codec", "for zstd, the package zstandard is needed") from None
    dictionary = None
    if envelope.dictionary:
        if envelope.dictionary not in dictionaries:
            raise Miss("unknown_dictionary", f"no dictionary with id {envelope.dictionary} is loaded")
        dictionary = zstandard.ZstdCompressionDict(dictionaries[envelope.dictionary])
    try:
        frame = zstandard.get_frame_parameters(envelope.body)
        # The frame's own idea of its length would else decide how much is allocated.
        if frame.content_size != envelope.raw_length:
            raise Miss("codec", "the body does not decompress: its length is not the declared one")
        if frame.dict_id != envelope.dictionary:
            raise Miss("codec", "the body does not decompress: it needs another dictionary than declared")
        return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(envelope.body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Miss("codec", f"the body does not decompress: {error}") from error


def _bounded(value: Any) -> Any:
    """The value, if it is nested no deeper than MessagePack may be."""
    level = [value]
    for _ in range(messagepack.MAX_DEPTH + 1):
        containers = [element for element in level if isinstance(element, (list, dict))]
        if not containers:
            return value
        level = [child for each in containers for child in (each.values() if isinstance(each, dict) else each)]
    raise ValueError(f"more than {messagepack.MAX_DEPTH} levels")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


if __name__ == "__main__":
    import sys

    import command_line

    sys.exit(command_line.main(sys.argv[1:]))
