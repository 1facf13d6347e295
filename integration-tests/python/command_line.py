"""The command line of :mod:`larder_envelope`: an entry out of Redis or a file, as JSON.

What it prints, on standard output, as one object:

``header``
    What is known about the value; ``null`` if the bytes are no envelope. Times are milliseconds since 1970, ``null``
    for never.
``value`` and ``value_is``
    The value, and how it is shown: ``json``, ``text``, ``base64`` (of the bytes that the format made, and of binary
    inside of MessagePack), or ``version`` for the record of a namespace or a tag. Absent on a miss.
``miss`` and ``detail``
    Why there is no entry, by the names that Larder's metrics use. Absent on a hit.

It exits with 0 for a hit, 1 for a miss, 2 for a wrong command line, and 3 if the store or the file cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import os
import sys
import time
from typing import Any

import larder_key
from larder_envelope import (
    CODECS,
    DEFAULT_MAX_VALUE,
    FORMATS,
    LEASE,
    MAX_HEADER,
    NEVER,
    VERSION,
    Envelope,
    Miss,
    decode,
    decompress,
    read,
)
from redis_socket import Redis, StoreError

HIT, MISS, UNREADABLE = 0, 1, 3

_MAX_DICTIONARY = 1024 * 1024


def main(arguments: list[str]) -> int:
    """Runs the command and returns its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.key is None and options.file is None:
        parser.error("Redis is asked for a key, and none is given")
    try:
        report = _report(options)
    except (StoreError, OSError) as error:
        print(f"larder_envelope: {error}", file=sys.stderr)
        return UNREADABLE
    print(json.dumps(report, allow_nan=False))
    return MISS if "miss" in report else HIT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="larder_envelope.py",
        description="Shows an entry that Larder wrote. A password for Redis is taken from REDISCLI_AUTH.",
        epilog="Exits with 0 for a hit, 1 for a miss, 2 for a wrong command line, 3 if nothing could be asked.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--redis", metavar="HOST:PORT", type=_address, help="read the key from this Redis")
    source.add_argument("--redis-unix", metavar="PATH", help="read the key from the Redis behind this unix socket")
    source.add_argument("--file", metavar="PATH", help="read an envelope from a file, - for standard input")
    parser.add_argument("key", nargs="?", type=_key, help="the whole key: shop/users@2:user:#7 (optional with --file)")
    parser.add_argument(
        "--check-stamps",
        action="store_true",
        help="also ask Redis whether a tag or a clear has overtaken the entry",
    )
    parser.add_argument(
        "--max-value",
        metavar="BYTES",
        type=int,
        default=DEFAULT_MAX_VALUE,
        help="the largest value, decompressed",
    )
    parser.add_argument(
        "--dictionary",
        metavar="PATH",
        type=_dictionary,
        action="append",
        default=[],
        help="a trained zstd dictionary",
    )
    parser.add_argument("--now", metavar="MS", type=int, help="milliseconds since 1970 (default: the clock)")
    return parser


def _report(options: argparse.Namespace) -> dict[str, Any]:
    header = None
    try:
        if options.file is not None:
            envelope = read(_file(options.file, options.max_value), options.key)
            header = _header(envelope)
        else:
            with _redis(options) as redis:
                data = redis.get(options.key)
                if data is None:
                    raise Miss("absent", "there is no entry")
                envelope = read(data, options.key)
                header = _header(envelope)
                if options.check_stamps:
                    _check_stamps(redis, envelope)
        now = time.time_ns() // 1_000_000 if options.now is None else options.now
        if not envelope.is_live(now):
            raise Miss("expired", "the entry is expired")
        value, value_is = _value(envelope, options.max_value, dict(options.dictionary))
        return {"header": header, "value": value, "value_is": value_is}
    except Miss as miss:
        return {"header": header, "miss": miss.reason, "detail": str(miss)}


def _redis(options: argparse.Namespace) -> Redis:
    return Redis(
        options.redis or options.redis_unix,
        password=os.environ.get("REDISCLI_AUTH"),
        max_bulk=options.max_value + MAX_HEADER,
    )


def _file(path: str, max_value: int) -> bytes:
    limit = max_value + MAX_HEADER
    if path == "-":
        data = sys.stdin.buffer.read(limit + 1)
    else:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise StoreError(f"{path} has more than {limit} bytes")
    return data


def _check_stamps(redis: Redis, envelope: Envelope) -> None:
    levels = [stamp.scope for stamp in envelope.stamps[: larder_key.depth(envelope.key)]]
    if levels != list(range(larder_key.depth(envelope.key))):
        raise Miss("invalidated", "the entry does not name all levels of its namespace")
    # A level that there is not has no record, and thereby none of this version.
    records = [stamp.record or "" for stamp in envelope.stamps]
    for stamp, record in zip(envelope.stamps, redis.get_many(records), strict=True):
        if stamp.record is None or _version_in(record, stamp.record) != stamp.version:
            raise Miss("invalidated", f"{stamp.record} has another version than {stamp.version}, or none")


def _version_in(record: bytes | None, key: str) -> int | None:
    try:
        return None if record is None else _version(read(record, key))
    except Miss:
        return None


def _version(record: Envelope) -> int | None:
    """The version in a record, which is eight bytes, little-endian."""
    return int.from_bytes(record.body, "little") if len(record.body) == 8 else None


def _header(envelope: Envelope) -> dict[str, Any]:
    return {
        "version": VERSION,
        "key": envelope.key,
        "whole_key_sha256": envelope.whole_key.hex() if envelope.whole_key else None,
        "schema": envelope.schema,
        "format": envelope.format,
        "format_name": FORMATS.get(envelope.format),
        "codec": envelope.codec,
        "codec_name": CODECS.get(envelope.codec),
        "dictionary": envelope.dictionary,
        "body_length": len(envelope.body),
        "raw_length": envelope.raw_length,
        "revision": envelope.revision,
        "created": envelope.created,
        "load_cost_us": envelope.load_cost,
        "fresh_until": _moment(envelope.fresh_until),
        "expires": _moment(envelope.expires),
        "stamps": [
            {
                "level" if isinstance(stamp.scope, int) else "tag": stamp.scope,
                "version": stamp.version,
                "record": stamp.record,
            }
            for stamp in envelope.stamps
        ],
        "user": [{"name": name, **_text_or_base64(data)} for name, data in envelope.user],
    }


def _moment(millis: int) -> int | None:
    return None if millis == NEVER else millis


def _text_or_base64(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _value(envelope: Envelope, max_value: int, dictionaries: dict[int, bytes]) -> tuple[Any, str]:
    if envelope.format == LEASE:
        raise Miss("leased", "another process is loading the value")
    if envelope.format not in FORMATS:
        raise Miss("unknown_format", f"no format with id {envelope.format} is known")
    raw = decompress(envelope, max_value, dictionaries)
    if envelope.format == 3:
        return base64.b64encode(raw).decode(), "base64"
    value = decode(envelope.format, raw)
    if envelope.format != 0:
        return _as_json(value), "json"
    if larder_key.is_version_record(envelope.key) and (version := _version(envelope)) is not None:
        return version, "version"
    ((value_is, text),) = _text_or_base64(value).items()
    return text, value_is


def _as_json(value: Any) -> Any:
    """What JSON has no way to say, as other programs write it: binary in base64, NaN and infinities as null."""
    if isinstance(value, dict):
        return {key: _as_json(element) for key, element in value.items()}
    if isinstance(value, list):
        return [_as_json(element) for element in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _key(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError("keys are printable ASCII without spaces; everything else is escaped in them")
    return text


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _dictionary(path: str) -> tuple[int, bytes]:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_DICTIONARY + 1)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error}") from error
    # The id, after the magic number: https://www.rfc-editor.org/rfc/rfc8878#name-dictionary-format
    if not data.startswith(b"\x37\xa4\x30\xec") or not 8 <= len(data) <= _MAX_DICTIONARY:
        raise argparse.ArgumentTypeError(f"{path} is no trained dictionary of zstd")
    return int.from_bytes(data[4:8], "little"), data
