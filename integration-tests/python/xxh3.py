"""XXH3-64 with a seed, in Python alone.

Written after the specification of XXH3 in ``doc/xxhash_spec.md`` of the reference implementation. It hashes some
megabytes a second, which is enough to look at entries and to check another implementation.
"""

from __future__ import annotations

import struct

_MASK32 = 0xFFFF_FFFF
_MASK64 = 0xFFFF_FFFF_FFFF_FFFF

_PRIME32_1 = 0x9E37_79B1
_PRIME32_2 = 0x85EB_CA77
_PRIME32_3 = 0xC2B2_AE3D
_PRIME64_1 = 0x9E37_79B1_85EB_CA87
_PRIME64_2 = 0xC2B2_AE3D_27D4_EB4F
_PRIME64_3 = 0x1656_67B1_9E37_79F9
_PRIME64_4 = 0x85EB_CA77_C2B2_AE63
_PRIME64_5 = 0x27D4_EB2F_1656_67C5
_PRIME_MX1 = 0x1656_6791_9E37_79F9
_PRIME_MX2 = 0x9FB2_1C65_1E98_DF25

_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)

_STRIPE = 64
_LANES = struct.Struct("<8Q")
_SECRET_STEP = 8
_STRIPES_PER_BLOCK = (192 - _STRIPE) // _SECRET_STEP
_BLOCK = _STRIPE * _STRIPES_PER_BLOCK


def xxh3_64(data: bytes, seed: int = 0) -> int:
    """The hash of ``data`` under a seed from 0 to 2**64 - 1.

    >>> f"{xxh3_64(b''):016x}"
    '2d06800538d394c2'
    """
    length = len(data)
    if length > 240:
        return _long(data, seed)
    if length > 128:
        return _up_to_240(data, seed)
    if length > 16:
        return _up_to_128(data, seed)
    if length > 8:
        return _up_to_16(data, seed)
    if length >= 4:
        return _up_to_8(data, seed)
    if length > 0:
        return _up_to_3(data, seed)
    return _avalanche_xxh64(seed ^ _read64(_SECRET, 56) ^ _read64(_SECRET, 64))


def _up_to_3(data: bytes, seed: int) -> int:
    length = len(data)
    combined = (data[0] << 16) | (data[length >> 1] << 24) | data[-1] | (length << 8)
    flip = ((_read32(_SECRET, 0) ^ _read32(_SECRET, 4)) + seed) & _MASK64
    return _avalanche_xxh64(combined ^ flip)


def _up_to_8(data: bytes, seed: int) -> int:
    length = len(data)
    seed ^= _swap32(seed & _MASK32) << 32
    flip = ((_read64(_SECRET, 8) ^ _read64(_SECRET, 16)) - seed) & _MASK64
    keyed = (_read32(data, length - 4) + (_read32(data, 0) << 32)) ^ flip
    keyed ^= _rotate_left(keyed, 49) ^ _rotate_left(keyed, 24)
    keyed = keyed * _PRIME_MX2 & _MASK64
    keyed ^= (keyed >> 35) + length
    keyed = keyed * _PRIME_MX2 & _MASK64
    return keyed ^ (keyed >> 28)


def _up_to_16(data: bytes, seed: int) -> int:
    length = len(data)
    low = _read64(data, 0) ^ ((_read64(_SECRET, 24) ^ _read64(_SECRET, 32)) + seed & _MASK64)
    high = _read64(data, length - 8) ^ ((_read64(_SECRET, 40) ^ _read64(_SECRET, 48)) - seed & _MASK64)
    return _avalanche(length + _swap64(low) + high + _multiply_and_fold(low, high))


def _up_to_128(data: bytes, seed: int) -> int:
    length = len(data)
    sum_ = length * _PRIME64_1
    for pair in range((length - 1) // 32 + 1):
        sum_ += _mix16(data, 16 * pair, 32 * pair, seed)
        sum_ += _mix16(data, length - 16 * (pair + 1), 32 * pair + 16, seed)
    return _avalanche(sum_)


def _up_to_240(data: bytes, seed: int) -> int:
    length = len(data)
    sum_ = length * _PRIME64_1 + sum(_mix16(data, 16 * block, 16 * block, seed) for block in range(8))
    sum_ = _avalanche(sum_)
    for block in range(8, length // 16):
        sum_ += _mix16(data, 16 * block, 16 * (block - 8) + 3, seed)
    return _avalanche(sum_ + _mix16(data, length - 16, 136 - 17, seed))


def _long(data: bytes, seed: int) -> int:
    length = len(data)
    secret = _derived_secret(seed)
    keys = [_LANES.unpack_from(secret, _SECRET_STEP * stripe) for stripe in range(_STRIPES_PER_BLOCK)]
    scramble_key = _LANES.unpack_from(secret, len(secret) - _STRIPE)
    lanes = [
        _PRIME32_3, _PRIME64_1, _PRIME64_2, _PRIME64_3, _PRIME64_4, _PRIME32_2, _PRIME64_5, _PRIME32_1,
    ]  # fmt: skip

    whole_blocks = (length - 1) // _BLOCK
    for block in range(whole_blocks):
        for stripe, key in enumerate(keys):
            _accumulate(lanes, data, block * _BLOCK + stripe * _STRIPE, key)
        for lane in range(8):
            mixed = lanes[lane] ^ (lanes[lane] >> 47) ^ scramble_key[lane]
            lanes[lane] = mixed * _PRIME32_1 & _MASK64
    start = whole_blocks * _BLOCK
    for stripe in range((length - 1 - start) // _STRIPE):
        _accumulate(lanes, data, start + stripe * _STRIPE, keys[stripe])
    _accumulate(lanes, data, length - _STRIPE, _LANES.unpack_from(secret, len(secret) - _STRIPE - 7))

    result = length * _PRIME64_1
    for lane in range(0, 8, 2):
        at = 11 + 8 * lane
        result += _multiply_and_fold(lanes[lane] ^ _read64(secret, at), lanes[lane + 1] ^ _read64(secret, at + 8))
    return _avalanche(result)


def _accumulate(lanes: list[int], data: bytes, at: int, key: tuple[int, ...]) -> None:
    for lane, value in enumerate(_LANES.unpack_from(data, at)):
        keyed = value ^ key[lane]
        lanes[lane ^ 1] = lanes[lane ^ 1] + value & _MASK64
        lanes[lane] = lanes[lane] + (keyed & _MASK32) * (keyed >> 32) & _MASK64


def _derived_secret(seed: int) -> bytes:
    words = struct.unpack("<24Q", _SECRET)
    return struct.pack("<24Q", *((word + (-seed if odd % 2 else seed)) & _MASK64 for odd, word in enumerate(words)))


def _mix16(data: bytes, at: int, secret_at: int, seed: int) -> int:
    low = _read64(data, at) ^ (_read64(_SECRET, secret_at) + seed & _MASK64)
    high = _read64(data, at + 8) ^ (_read64(_SECRET, secret_at + 8) - seed & _MASK64)
    return _multiply_and_fold(low, high)


def _multiply_and_fold(left: int, right: int) -> int:
    product = left * right
    return (product & _MASK64) ^ (product >> 64)


def _avalanche(hash_: int) -> int:
    hash_ &= _MASK64
    hash_ ^= hash_ >> 37
    hash_ = hash_ * _PRIME_MX1 & _MASK64
    return hash_ ^ (hash_ >> 32)


def _avalanche_xxh64(hash_: int) -> int:
    hash_ ^= hash_ >> 33
    hash_ = hash_ * _PRIME64_2 & _MASK64
    hash_ ^= hash_ >> 29
    hash_ = hash_ * _PRIME64_3 & _MASK64
    return hash_ ^ (hash_ >> 32)


def _rotate_left(number: int, by: int) -> int:
    return (number << by | number >> (64 - by)) & _MASK64


def _read32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _read64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _swap32(number: int) -> int:
    return int.from_bytes(number.to_bytes(4, "little"), "big")


def _swap64(number: int) -> int:
    return int.from_bytes(number.to_bytes(8, "little"), "big")
