"""The reader against the reference's hashes, the golden envelope, and envelopes with lies in them."""

from __future__ import annotations

import contextlib
import doctest
import gzip
import hashlib
import random
import struct
import tracemalloc
import unittest
from pathlib import Path
from typing import Any

import zstandard

import command_line
import larder_envelope
import larder_key
import messagepack
import redis_socket
import xxh3
from larder_envelope import NEVER, Miss, decode, decompress, read
from xxh3 import xxh3_64

HERE = Path(__file__).resolve().parent
GOLDEN = bytes.fromhex((HERE.parents[1] / "core/src/envelope/v1.hex").read_text())
GOLDEN_KEY = "shop/users@2:user:#7"
KEY = "n:k"
DICTIONARY = zstandard.train_dictionary(
    1024, [b"name=%d;street=%d;city=%d" % (n, n * 7, n * 13) for n in range(500)]
).as_bytes()
DICTIONARY_ID = zstandard.ZstdCompressionDict(DICTIONARY).dict_id()

# Length, seed and hash, from the sanity check of the reference implementation.
XXH3_VECTORS = [
    (0, 0, 0x2D06800538D394C2), (0, 1, 0xA8A6B918B2F0364A),
    (1, 0, 0xC44BDFF4074EECDB), (1, 1, 0x032BE332DD766EF8),
    (6, 0, 0x27B56A84CD2D7325), (6, 1, 0x84589C116AB59AB9),
    (12, 0, 0xA713DAF0DFBB77E7), (12, 1, 0xE7303E1B2336DE0E),
    (24, 0, 0xA3FE70BF9D3510EB), (24, 1, 0x850E80FC35BDD690),
    (48, 0, 0x397DA259ECBA1F11), (48, 1, 0xADC2CBAA44ACC616),
    (80, 0, 0xBCDEFBBB2C47C90A), (80, 1, 0xC6DD0CB699532E73),
    (195, 0, 0xCD94217EE362EC3A), (195, 1, 0xBA68003D370CB3D9),
    (403, 0, 0xCDEB804D65C6DEA4), (403, 1, 0x6259F6ECFD6443FD),
    (512, 0, 0x617E49599013CB6B), (512, 1, 0x3CE457DE14C27708),
    (2048, 0, 0xDD59E2C3A5F038E0), (2048, 1, 0x66F81670669ABABC),
    (2099, 0, 0xC6B9D9B3FC9AC765), (2099, 1, 0x184F316843663974),
    (2240, 0, 0x6E73A90539CF2948), (2240, 1, 0x757BA8487D1B5247),
    (2367, 0, 0xCB37AEB9E5D361ED), (2367, 1, 0xD2DB3415B942B42A),
]  # fmt: skip


def sealed(key: str = KEY, rest: bytes = b"", body: bytes = b"value", **fields: Any) -> bytes:
    """An envelope as a writer with other ideas might make it: both checksums fit, whatever the fields are."""
    values: dict[str, Any] = {
        "magic": b"LRD\x1a", "version": 1, "format": 0, "codec": 0, "flags": 0, "checksum": 0,
        "header_length": 96 + len(key) + len(rest), "dictionary": 0, "body_length": len(body),
        "raw_length": len(body), "revision": 5, "created": 1, "load_cost": 0, "schema": 0,
        "key_length": len(key), "stamps": 0, "user": 0, "fresh_until": NEVER, "expires": NEVER, "lifetime": 0,
    }  # fmt: skip
    assert fields.keys() <= values.keys(), fields
    values.update(fields)
    data = bytearray(struct.pack("<4sBBBBQIIQQQQQIHBBQQQ", *values.values()) + key.encode() + rest + body)
    if "lifetime" not in fields:
        data[88:96] = struct.pack("<Q", xxh3_64(bytes(data[72:88]), xxh3_64(key.encode())))
    if "checksum" not in fields:
        seed = int.from_bytes(data[:8], "little")
        data[8:16] = struct.pack("<Q", xxh3_64(bytes(data[16:72] + data[96:]), seed))
    return bytes(data)


class Hashes(unittest.TestCase):
    def test_vectors_of_the_reference(self) -> None:
        prime, generator, buffer = 0x9E3779B185EBCA8D, 0x9E3779B1, bytearray()
        for _ in range(2367):
            buffer.append(generator >> 56 & 0xFF)
            generator = generator * prime % 2**64
        for length, seeded, expected in XXH3_VECTORS:
            with self.subTest(length=length, seeded=seeded):
                self.assertEqual(xxh3_64(bytes(buffer[:length]), prime * seeded), expected)


class Reading(unittest.TestCase):
    def assert_miss(self, reason: str, data: bytes, key: str | None = KEY, **arguments: Any) -> Miss:
        with self.assertRaises(Miss) as caught:
            read(data, key, **arguments)
        self.assertEqual(caught.exception.reason, reason, caught.exception)
        return caught.exception

    def test_every_field_of_the_golden_envelope(self) -> None:
        entry = read(GOLDEN, GOLDEN_KEY)
        self.assertEqual((entry.format, entry.codec, entry.dictionary), (1, 0, 0))
        self.assertEqual(entry.raw_length, 14)
        self.assertEqual(entry.revision, 0x0123_4567_89AB_CDEF)
        self.assertEqual(entry.created, 1_700_000_000_000)
        self.assertEqual((entry.fresh_until, entry.expires), (1_700_000_060_000, 1_700_000_120_000))
        self.assertEqual(entry.load_cost, 12_345)
        self.assertEqual((entry.schema, entry.key, entry.whole_key), (2, GOLDEN_KEY, None))
        self.assertEqual(
            [(stamp.scope, stamp.version, stamp.record) for stamp in entry.stamps],
            [
                (0, 1, "shop!v:generation"),
                (1, 2, "shop/users!v:generation"),
                ("popular", 3, "shop/users!v:tag:popular"),
            ],
        )
        self.assertEqual(entry.user, (("found", b"42"),))
        self.assertEqual(decode(entry.format, decompress(entry)), {"name": "Ada"})
        self.assertEqual(read(GOLDEN).key, GOLDEN_KEY)

    def test_the_last_moment_of_an_entry_is_the_one_before_it_expires(self) -> None:
        entry = read(GOLDEN, GOLDEN_KEY)
        self.assertTrue(entry.is_live(1_700_000_119_999))
        self.assertFalse(entry.is_live(1_700_000_120_000))

    def test_every_truncation_is_a_miss(self) -> None:
        for length in range(len(GOLDEN)):
            self.assert_miss("length", GOLDEN[:length], GOLDEN_KEY)
        self.assert_miss("length", GOLDEN + b"\0", GOLDEN_KEY)

    def test_every_flipped_bit_is_a_miss(self) -> None:
        for bit in range(8 * len(GOLDEN)):
            flipped = bytearray(GOLDEN)
            flipped[bit // 8] ^= 1 << bit % 8
            with self.subTest(bit=bit), self.assertRaises(Miss):
                read(bytes(flipped), GOLDEN_KEY)

    def test_other_bytes_are_foreign(self) -> None:
        for foreign in [b"42", b"LRX\x1a", bytes(200), b"LRE" + bytes(200)]:
            self.assert_miss("foreign", foreign)

    def test_versions(self) -> None:
        self.assert_miss("future_version", sealed(version=2))
        self.assert_miss("malformed", sealed(version=0))

    def test_another_keys_bytes_are_no_answer(self) -> None:
        self.assert_miss("other_key", GOLDEN, "shop/users@2:user:#8")
        self.assert_miss("other_key", sealed("n:kk"), "n:k")

    def test_a_long_key_is_known_by_all_of_its_parts(self) -> None:
        parts = "search:" + "x" * 200
        whole = hashlib.sha256(parts.encode()).digest()
        key = f"n:{larder_key.shorten(parts)}"
        self.assertEqual(len(key), 129)
        data = sealed(key, whole, flags=1)
        self.assertEqual(read(data, key, whole).whole_key, whole)
        self.assertEqual(read(data, key).whole_key, whole)
        self.assert_miss("other_key", data, key, whole_key=hashlib.sha256(b"another").digest())
        self.assert_miss("other_key", sealed(key), key, whole_key=whole)
        self.assert_miss("other_key", sealed(key), key)
        self.assert_miss("other_key", sealed("n:k", whole, flags=1), "n:k")

    def test_another_schema_is_a_miss_even_under_the_same_text(self) -> None:
        self.assert_miss("schema", sealed("n@2:k", schema=9), "n@2:k")
        self.assertEqual(read(sealed("n@2:k", schema=2), "n@2:k").schema, 2)

    def test_a_lifetime_of_another_key_is_a_miss(self) -> None:
        other = struct.pack("<QQ", NEVER, NEVER)
        self.assert_miss("checksum", sealed(lifetime=xxh3_64(other, xxh3_64(b"n:other"))))
        self.assertEqual(read(sealed(lifetime=xxh3_64(other, xxh3_64(KEY.encode()))), KEY).expires, NEVER)

    def test_lies_in_a_well_sealed_header(self) -> None:
        fixed: list[tuple[str, dict[str, Any]]] = [
            ("malformed", {"flags": 2}),
            ("malformed", {"flags": 1}),
            ("other_key", {"flags": 1, "rest": bytes(32)}),
            ("malformed", {"key_length": 0xFFFF}),
            ("other_key", {"key_length": 2}),
            ("malformed", {"stamps": 1}),
            ("malformed", {"user": 1}),
            ("length", {"header_length": 95}),
            ("length", {"header_length": 98}),
            ("length", {"header_length": 0xFFFF_FFFF}),
            ("length", {"body_length": NEVER}),
        ]
        for reason, fields in fixed:
            with self.subTest(fields=fields):
                self.assert_miss(reason, sealed(**fields))
        variable: list[tuple[bytes, dict[str, Any]]] = [
            (b"x", {}),
            (b"\2\0" + bytes(8), {"stamps": 1}),
            (b"\0\0" + bytes(7), {"stamps": 1}),
            (b"\1\1\xff" + bytes(8), {"stamps": 1}),
            (b"\1\xffab" + bytes(8), {"stamps": 1}),
            (b"\1\xff\1\0v", {"user": 1}),
            (b"\1a\2\0v", {"user": 1}),
            (b"\1a\1", {"user": 1}),
        ]
        for rest, fields in variable:
            with self.subTest(rest=rest):
                self.assert_miss("malformed", sealed(rest=rest, **fields))

    def test_the_longest_header_is_read_and_a_longer_one_is_not(self) -> None:
        def user(length: int) -> bytes:
            return b"\1a" + struct.pack("<H", length) + bytes(length)

        room = 65_536 - 96 - len(KEY) - 4
        self.assertEqual(read(sealed(rest=user(room), user=1), KEY).user, (("a", bytes(room)),))
        self.assert_miss("length", sealed(rest=user(room + 1), user=1))

    def test_any_bytes_are_read_without_another_exception(self) -> None:
        dice = random.Random(1)
        for _ in range(3000):
            fields: dict[str, Any] = {
                name: dice.getrandbits(bits)
                for name, bits in [("key_length", 3), ("stamps", 2), ("user", 2), ("flags", 1), ("format", 2)]
                if dice.random() < 0.5
            }
            rest = bytes(dice.choice(b"\0\1\2\3a\xff") for _ in range(dice.randrange(60)))
            with contextlib.suppress(Miss):
                entry = read(sealed(rest=rest, body=rest, codec=dice.randrange(4), **fields), KEY)
                decode(entry.format, decompress(entry))


class Bodies(unittest.TestCase):
    RAW = b"abc" * 1000

    def decompressed(self, body: bytes, codec: int, raw_length: int = len(RAW), **fields: Any) -> bytes:
        entry = read(sealed(body=body, codec=codec, raw_length=raw_length, **fields), KEY)
        return decompress(entry, max_value=10_000, dictionaries={DICTIONARY_ID: DICTIONARY})

    def assert_miss(self, reason: str, *arguments: Any, **fields: Any) -> None:
        with self.assertRaises(Miss) as caught:
            self.decompressed(*arguments, **fields)
        self.assertEqual(caught.exception.reason, reason, caught.exception)

    def test_what_was_compressed_comes_back(self) -> None:
        zstd = zstandard.ZstdCompressor().compress
        for raw in [self.RAW, b"", b"x"]:
            self.assertEqual(self.decompressed(raw, 0, len(raw)), raw)
            self.assertEqual(self.decompressed(gzip.compress(raw), 1, len(raw)), raw)
            self.assertEqual(self.decompressed(zstd(raw), 2, len(raw)), raw)

    def test_a_dictionary_is_found_by_its_id(self) -> None:
        raw = b"name=3;street=21;city=39"
        dictionary = zstandard.ZstdCompressionDict(DICTIONARY)
        body = zstandard.ZstdCompressor(dict_data=dictionary).compress(raw)
        self.assertEqual(self.decompressed(body, 2, len(raw), dictionary=DICTIONARY_ID), raw)
        self.assert_miss("unknown_dictionary", body, 2, len(raw), dictionary=1)
        self.assert_miss("codec", body, 2, len(raw))
        plain = zstandard.ZstdCompressor().compress(raw)
        self.assert_miss("codec", plain, 2, len(raw), dictionary=DICTIONARY_ID)

    def test_a_frame_that_does_not_say_how_long_it_is_is_a_miss(self) -> None:
        body = zstandard.ZstdCompressor(write_content_size=False).compress(self.RAW)
        self.assert_miss("codec", body, 2)
        skippable = struct.pack("<II", 0x184D2A50, len(self.RAW)) + self.RAW
        self.assert_miss("codec", skippable, 2)

    def test_no_more_is_decompressed_than_declared(self) -> None:
        bomb = bytes(50_000_000)
        for codec, body in [(1, gzip.compress(bomb)), (2, zstandard.ZstdCompressor().compress(bomb))]:
            self.assert_miss("declared_too_large", body, codec, len(bomb))
            tracemalloc.start()
            self.assert_miss("codec", body, codec, 3000)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.assertLess(peak, 1_000_000)

    def test_less_than_declared_or_more_than_one_is_a_miss(self) -> None:
        for codec, body in [
            (1, gzip.compress(self.RAW)),
            (2, zstandard.ZstdCompressor().compress(self.RAW)),
        ]:
            with self.subTest(codec=codec):
                self.assert_miss("codec", body, codec, len(self.RAW) + 1)
                self.assert_miss("codec", body, codec, len(self.RAW) - 1)
                self.assert_miss("codec", body + b"x", codec)
                self.assert_miss("codec", body + body, codec)
                self.assert_miss("codec", body[:-1], codec)
                self.assert_miss("codec", b"", codec)
        self.assert_miss("malformed", self.RAW, 0, 2999)
        self.assert_miss("unknown_codec", self.RAW, 3)

    def test_values_that_are_none(self) -> None:
        for format_, raw in [
            (1, b""), (1, b"1 2"), (1, b"NaN"), (1, b"\xff"), (1, b"[" * 100_000), (1, b"[" * 200 + b"]" * 200),
            (1, b"9" * 10_000), (2, b""), (2, b"\xc1"), (2, b"\x01\x01"),
        ]:  # fmt: skip
            with self.subTest(format=format_, raw=raw[:20]), self.assertRaises(Miss) as caught:
                decode(format_, raw)
            self.assertEqual(caught.exception.reason, "format")
        for format_ in [3, 4, 255]:
            with self.assertRaises(Miss) as caught:
                decode(format_, b"\x01")
            self.assertEqual(caught.exception.reason, "unknown_format")


class MessagePack(unittest.TestCase):
    def test_values(self) -> None:
        for text, value in [
            ("c0", None), ("c2", False), ("c3", True), ("00", 0), ("7f", 127), ("ff", -1), ("e0", -32),
            ("ccff", 255), ("cd0100", 256), ("ce00010000", 65_536), ("cfffffffffffffffff", NEVER),
            ("d080", -128), ("d18000", -32_768), ("d280000000", -(2**31)), ("d38000000000000000", -(2**63)),
            ("ca3fc00000", 1.5), ("cb3ff8000000000000", 1.5),
            ("a0", ""), ("a2c3bc", "ü"), ("d901" + "61", "a"), ("da0001" + "61", "a"), ("db00000001" + "61", "a"),
            ("c401ff", b"\xff"), ("c50001ff", b"\xff"), ("c600000001ff", b"\xff"),
            ("90", []), ("920102", [1, 2]), ("dc00020102", [1, 2]), ("dd000000020102", [1, 2]),
            ("80", {}), ("81a16101", {"a": 1}), ("de0001a16101", {"a": 1}), ("df00000001a16101", {"a": 1}),
            ("81019101", {1: [1]}),
        ]:  # fmt: skip
            with self.subTest(text):
                self.assertEqual(messagepack.loads(bytes.fromhex(text)), value)
                self.assertIs(type(messagepack.loads(bytes.fromhex(text))), type(value))

    def test_what_is_no_value(self) -> None:
        for text in [
            "", "c1", "d40100", "c70101ff", "0000", "a2c3", "a1ff", "cd01", "91", "dd7fffffff00", "df7fffffff0000",
            "c6ffffffff00", "8190" + "01", "81c401ff01", "81c001", "91" * 200 + "00",
        ]:  # fmt: skip
            with self.subTest(text[:20]), self.assertRaises(ValueError):
                messagepack.loads(bytes.fromhex(text))
        self.assertEqual(str(messagepack.loads(bytes.fromhex("91" * 128 + "00"))).count("["), 128)


def load_tests(loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str | None) -> unittest.TestSuite:
    for module in [larder_envelope, larder_key, messagepack, redis_socket, command_line, xxh3]:
        tests.addTests(doctest.DocTestSuite(module) if _has_examples(module) else [])
    return tests


def _has_examples(module: Any) -> bool:
    return any(test.examples for test in doctest.DocTestFinder().find(module))


if __name__ == "__main__":
    unittest.main()
