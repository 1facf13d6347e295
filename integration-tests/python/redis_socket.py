"""As much of Redis's protocol (RESP2) as it takes to read values: commands out, bounded replies in."""

from __future__ import annotations

import socket
from types import TracebackType

_MAX_LINE = 64 * 1024
_MAX_ARRAY = 1024


class StoreError(Exception):
    """The store cannot be reached, or answers with an error or with nonsense."""


class Redis:
    """A connection, for use in a ``with`` statement.

    :param address: ``(host, port)``, or the path of a unix socket.
    :param password: for ``AUTH``; ``None`` for none.
    :param max_bulk: the longest value that is accepted, in bytes.
    :param timeout: for connecting and for each wait for bytes, in seconds.
    """

    def __init__(
        self,
        address: tuple[str, int] | str,
        *,
        password: str | None = None,
        max_bulk: int,
        timeout: float = 5.0,
    ) -> None:
        self._max_bulk = max_bulk
        name = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
        try:
            self._socket = _connect(address, timeout)
        except OSError as error:
            raise StoreError(f"{name} cannot be reached: {error}") from error
        self._file = self._socket.makefile("rb")
        if password is not None:
            try:
                self._command(b"AUTH", password.encode())
            except StoreError:
                # Some servers repeat the arguments of a command that they refuse.
                self._close()
                raise StoreError(f"{name} refused the password") from None

    def get(self, key: str) -> bytes | None:
        """The value of a key; ``None`` if there is none."""
        reply = self._command(b"GET", key.encode())
        if reply is None or isinstance(reply, bytes):
            return reply
        raise StoreError("the answer to GET is no value")

    def get_many(self, keys: list[str]) -> list[bytes | None]:
        """The values of several keys, in their order."""
        if not keys:
            return []
        reply = self._command(b"MGET", *(key.encode() for key in keys))
        if isinstance(reply, list) and len(reply) == len(keys):
            return reply
        raise StoreError("the answer to MGET is no list of that many values")

    def _command(self, *arguments: bytes) -> bytes | str | int | list[bytes | None] | None:
        parts = [b"*%d\r\n" % len(arguments)]
        parts += [b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments]
        try:
            self._socket.sendall(b"".join(parts))
            return self._reply()
        except OSError as error:
            raise StoreError(f"the connection broke: {error}") from error

    def _reply(self) -> bytes | str | int | list[bytes | None] | None:
        kind, rest = self._line()
        if kind == b"-":
            raise StoreError(f"the store says: {rest.decode(errors='replace')}")
        if kind == b"+":
            return rest.decode(errors="replace")
        if kind == b":":
            return _number(rest)
        if kind == b"$":
            return self._bulk(_number(rest))
        if kind == b"*":
            count = _number(rest)
            if count > _MAX_ARRAY:
                raise StoreError(f"an answer of {count} values")
            return [self._element() for _ in range(count)]
        raise StoreError(f"an answer that begins with {kind!r}")

    def _element(self) -> bytes | None:
        kind, rest = self._line()
        if kind != b"$":
            raise StoreError(f"a value that begins with {kind!r}")
        return self._bulk(_number(rest))

    def _bulk(self, length: int) -> bytes | None:
        if length < 0:
            return None
        if length > self._max_bulk:
            raise StoreError(f"a value of {length} bytes; at most {self._max_bulk} are accepted")
        value = self._file.read(length + 2)
        if len(value) != length + 2 or not value.endswith(b"\r\n"):
            raise StoreError("the connection ended in the middle of a value")
        return value[:-2]

    def _line(self) -> tuple[bytes, bytes]:
        line = self._file.readline(_MAX_LINE)
        if not line.endswith(b"\r\n"):
            raise StoreError("the connection ended, or the answer has no end")
        return line[:1], line[1:-2]

    def _close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Redis:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()


def _connect(address: tuple[str, int] | str, timeout: float) -> socket.socket:
    if not isinstance(address, str):
        return socket.create_connection(address, timeout)
    unix = socket.socket(socket.AF_UNIX)
    try:
        unix.settimeout(timeout)
        unix.connect(address)
    except OSError:
        unix.close()
        raise
    return unix


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise StoreError(f"{text[:40]!r} in place of a number") from None
