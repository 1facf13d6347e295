"""The texts under which Larder keeps things in a store, as ``docs/keys.md`` describes them.

Only what a reader needs: text parts, the namespace in front of a key, and the records that entries' stamps name.
"""

from __future__ import annotations

import hashlib

MAX_KEY = 127
"""The longest text of a key without its namespace, in bytes."""

_UNESCAPED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def escape(data: bytes) -> str:
    """Bytes as ASCII, in which only ``A-Z a-z 0-9 - _ .`` stand for themselves.

    >>> escape("café, ~".encode())
    'caf%C3%A9%2C%20%7E'
    """
    return "".join(chr(byte) if byte in _UNESCAPED else f"%{byte:02X}" for byte in data)


def text_part(text: str) -> str:
    """A part of a key that is text.

    >>> text_part("a:b"), text_part("")
    ('a%3Ab', "''")
    """
    return escape(text.encode()) or "''"


def shorten(parts: str, digest: str = "sha256") -> str:
    """What stands in a store for all parts of a key, joined: they themselves, or their beginning and a digest.

    >>> shorten("user:#7")
    'user:#7'
    >>> shorten("search:" + "x" * 200)[55:80]
    'xxxxxxx~1158b7788a3b33b70'
    """
    if len(parts) <= MAX_KEY:
        return parts
    digits = 2 * hashlib.new(digest).digest_size
    head = MAX_KEY - 1 - digits
    return f"{parts[:head]}~{hashlib.new(digest, parts[head:].encode()).hexdigest()}"


def is_long(key: str) -> bool:
    """Whether a key is too long to be shown whole: in no other one, digits follow a ``~``.

    >>> is_long("n:" + shorten("x" * 200)), is_long("n:" + shorten("x" * 200, "sha1")), is_long("n:x:~")
    (True, True, False)
    """
    _, tilde, digest = key.rpartition("~")
    return bool(tilde) and len(digest) in (40, 64) and set(digest) <= set("0123456789abcdef")


def schema(key: str) -> int:
    """The schema that the namespace of a key names; 0 if it names none.

    >>> schema("shop/users@2:user:#7"), schema("shop/users:user:#7")
    (2, 0)
    """
    _, at, number = _namespace(key).partition("@")
    return int(number) if at and number.isascii() and number.isdigit() else 0


def depth(key: str) -> int:
    """How many levels the namespace of a key has.

    >>> depth("shop/users@2:user:#7")
    2
    """
    return _path(key).count("/") + 1


def is_version_record(key: str) -> bool:
    """Whether the key names the version of a namespace or a tag, not an entry of a user's.

    >>> is_version_record("shop/users!v:tag:popular"), is_version_record("shop/users@2:user:#7")
    (True, False)
    """
    return _namespace(key).endswith("!v")


def generation_record(key: str, level: int) -> str | None:
    """Where the version of one level of this key's namespace is kept; ``None`` if there is no such level.

    >>> generation_record("shop/users@2:user:#7", 0), generation_record("shop/users@2:user:#7", 1)
    ('shop!v:generation', 'shop/users!v:generation')
    """
    segments = _path(key).split("/")
    return f"{'/'.join(segments[: level + 1])}!v:generation" if level < len(segments) else None


def tag_record(key: str, tag: str) -> str:
    """Where the version of a tag in this key's namespace is kept.

    >>> tag_record("shop/users@2:user:#7", "popular")
    'shop/users!v:tag:popular'
    """
    return f"{_path(key)}!v:{shorten('tag:' + text_part(tag))}"


def _namespace(key: str) -> str:
    return key.partition(":")[0]


def _path(key: str) -> str:
    return _namespace(key).partition("@")[0]
