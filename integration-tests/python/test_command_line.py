"""The command line, in a process of its own, against files, a real Redis, and servers that answer nonsense."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Iterator
from typing import Any

import zstandard

import redis_socket
from test_larder_envelope import DICTIONARY, DICTIONARY_ID, GOLDEN, GOLDEN_KEY, HERE, sealed


class CommandLine(unittest.TestCase):
    def run_program(self, *arguments: str, **options: Any) -> tuple[int, Any, str]:
        done = subprocess.run(
            [sys.executable, str(HERE / "larder_envelope.py"), *arguments],
            capture_output=True,
            timeout=30,
            check=False,
            **options,
        )
        shown = done.stdout.decode()
        return done.returncode, json.loads(shown) if shown else None, done.stderr.decode()

    def test_a_file(self) -> None:
        code, shown, _ = self.run_program("--file", "-", "--now", "1700000000000", GOLDEN_KEY, input=GOLDEN)
        self.assertEqual(code, 0)
        self.assertEqual((shown["value"], shown["value_is"]), ({"name": "Ada"}, "json"))
        self.assertEqual(shown["header"]["user"], [{"name": "found", "text": "42"}])
        self.assertEqual(shown["header"]["expires"], 1_700_000_120_000)
        self.assertEqual(
            shown["header"]["stamps"][1:],
            [
                {"level": 1, "version": 2, "record": "shop/users!v:generation"},
                {"tag": "popular", "version": 3, "record": "shop/users!v:tag:popular"},
            ],
        )

    def test_misses(self) -> None:
        code, shown, _ = self.run_program("--file", "-", input=GOLDEN)
        self.assertEqual((code, shown["miss"], shown["header"]["key"]), (1, "expired", GOLDEN_KEY))
        code, shown, _ = self.run_program("--file", "-", "n:k", input=GOLDEN)
        self.assertEqual((code, shown["miss"], shown["header"]), (1, "other_key", None))
        code, shown, _ = self.run_program("--file", "-", input=sealed(format=4, codec=9))
        self.assertEqual((code, shown["miss"], shown["header"]["format_name"]), (1, "unknown_format", None))

    def test_values_that_json_has_no_way_to_say(self) -> None:
        values: list[tuple[dict[str, Any], Any, str]] = [
            ({"body": b"\xff"}, "/w==", "base64"),
            ({"body": "ü".encode()}, "ü", "text"),
            ({"body": b"\x07", "format": 3}, "Bw==", "base64"),
            ({"body": b"\x92\xc4\x01\xff\xcb\x7f\xf0\0\0\0\0\0\0", "format": 2}, ["/w==", None], "json"),
            ({"body": b"\x01\0\0\0\0\0\0\x80", "key": "n!v:generation"}, 2**63 + 1, "version"),
        ]
        for fields, value, value_is in values:
            code, shown, errors = self.run_program("--file", "-", input=sealed(**fields))
            self.assertEqual((code, shown["value"], shown["value_is"]), (0, value, value_is), errors)

    def test_a_dictionary_out_of_a_file(self) -> None:
        raw, dictionary = b"name=3;street=21;city=39", zstandard.ZstdCompressionDict(DICTIONARY)
        body = zstandard.ZstdCompressor(dict_data=dictionary).compress(raw)
        envelope = sealed(body=body, raw_length=len(raw), codec=2, dictionary=DICTIONARY_ID)
        with tempfile.NamedTemporaryFile() as file:
            arguments = ["--file", "-", "--dictionary", file.name]
            self.assertEqual(self.run_program(*arguments, input=envelope)[0], 2, "an empty file is no dictionary")
            file.write(DICTIONARY)
            file.flush()
            self.assertEqual(self.run_program(*arguments, input=envelope)[1]["value"], raw.decode())
        code, shown, _ = self.run_program("--file", "-", input=envelope)
        self.assertEqual((code, shown["miss"]), (1, "unknown_dictionary"))

    def test_wrong_command_lines(self) -> None:
        for arguments in [
            [], ["--redis", "localhost:6379"], ["--redis", "localhost", "k"], ["--redis", "a:1", "--file", "x", "k"],
            ["--file", "-", "a b"], ["--file", "-", "a\nb"], ["--file", "-", "--dictionary", "/nowhere/at/all"],
        ]:  # fmt: skip
            with self.subTest(arguments):
                self.assertEqual(self.run_program(*arguments, input=b"")[0], 2)

    def test_what_cannot_be_asked(self) -> None:
        for arguments in [["--file", "/nowhere/at/all"], ["--redis-unix", "/nowhere/at/all", "k"]]:
            code, shown, errors = self.run_program(*arguments)
            self.assertEqual((code, shown), (3, None))
            self.assertIn("/nowhere/at/all", errors)

    def test_servers_that_answer_nonsense(self) -> None:
        for answer in [
            b"", b"$5\r\nab", b"$x\r\n", b"$999999999999\r\n", b"!\r\n", b"+OK\r\n", b"*1\r\n$1\r\na\r\n",
            b"$1\r\nabc", b"-LOADING wait\r\n", b"a" * 200_000, b":1\r\n", b"*99999999\r\n",
        ]:  # fmt: skip
            with self.subTest(answer[:20]), answering(answer) as port:
                code, shown, errors = self.run_program("--redis", f"127.0.0.1:{port}", "k")
                self.assertEqual((code, shown), (3, None), errors)
                self.assertNotIn("Traceback", errors)

    def test_an_answer_without_end_is_not_waited_for(self) -> None:
        with answering(b"*99999999\r\n" + b"$-1\r\n" * 2000) as port:
            _, _, errors = self.run_program("--redis", f"127.0.0.1:{port}", "k")
        self.assertIn("99999999", errors)

    def test_a_password_that_the_server_repeats_is_not_shown(self) -> None:
        with answering(b"-ERR unknown command 'AUTH', with args beginning with: 'hunter2'\r\n") as port:
            environment = {**os.environ, "REDISCLI_AUTH": "hunter2"}
            code, _, errors = self.run_program("--redis", f"127.0.0.1:{port}", "k", env=environment)
        self.assertEqual(code, 3)
        self.assertIn("refused the password", errors)
        self.assertNotIn("hunter2", errors)

    def test_a_real_redis(self) -> None:
        with real_redis() as (path, port):
            commands: list[list[str | bytes]] = [
                ["SET", GOLDEN_KEY, GOLDEN],
                ["SET", "n:other", sealed()],
                ["LPUSH", "n:list", "x"],
            ]
            for command in commands:
                talk(path, *command)
            now = ["--now", "1700000000000"]
            for where in [["--redis-unix", path], ["--redis", f"127.0.0.1:{port}"]]:
                environment = {**os.environ, "REDISCLI_AUTH": "pa ss"}
                code, shown, errors = self.run_program(*where, *now, GOLDEN_KEY, env=environment)
                self.assertEqual((code, shown and shown["value"]), (0, {"name": "Ada"}), errors)
                for key, reason in [("n:none", "absent"), ("n:other", "other_key")]:
                    code, shown, _ = self.run_program(*where, key, env=environment)
                    self.assertEqual((code, shown["miss"]), (1, reason))
                code, _, errors = self.run_program(*where, "n:list", env=environment)
                self.assertEqual(code, 3)
                self.assertIn("WRONGTYPE", errors)
            environment["REDISCLI_AUTH"] = "another"
            code, _, errors = self.run_program(*where, GOLDEN_KEY, env=environment)
            self.assertEqual(code, 3)
            self.assertNotIn("another", errors)

    def test_stamps_that_were_overtaken(self) -> None:
        with real_redis() as (path, _):
            environment = {**os.environ, "REDISCLI_AUTH": "pa ss"}

            def check() -> tuple[int, str | None]:
                arguments = ["--redis-unix", path, "--now", "1700000000000", "--check-stamps", GOLDEN_KEY]
                code, shown, _ = self.run_program(*arguments, env=environment)
                return code, shown.get("miss")

            def version(record: str, number: int) -> None:
                talk(path, "SET", record, sealed(record, body=struct.pack("<Q", number)))

            talk(path, "SET", GOLDEN_KEY, GOLDEN)
            version("shop!v:generation", 1)
            version("shop/users!v:generation", 2)
            self.assertEqual(check(), (1, "invalidated"), "a version that is lost")
            version("shop/users!v:tag:popular", 3)
            self.assertEqual(check(), (0, None))
            version("shop!v:generation", 4)
            self.assertEqual(check(), (1, "invalidated"), "a clear of the namespace above")
            talk(path, "SET", GOLDEN_KEY, sealed(GOLDEN_KEY, schema=2))
            self.assertEqual(check(), (1, "invalidated"), "an entry that names no level")


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """The port of a server that says this to whoever comes first."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@contextlib.contextmanager
def real_redis() -> Iterator[tuple[str, int]]:
    """A Redis with the password ``pa ss``: the path of its unix socket and its port."""
    program = os.environ.get("LARDER_REDIS_SERVER", "redis-server")
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as free:
        path, port = f"{directory}/socket", free.getsockname()[1]
        free.close()
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--unixsocket", path, "--save", ""]
        command += ["--dir", directory, "--requirepass", "pa ss"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                for _ in range(200):
                    with contextlib.suppress(redis_socket.StoreError):
                        talk(path, "PING")
                        break
                    time.sleep(0.05)
                yield path, port
            finally:
                server.kill()


def talk(path: str, *arguments: str | bytes) -> None:
    with redis_socket.Redis(path, password="pa ss", max_bulk=100) as redis:
        redis._command(*(word.encode() if isinstance(word, str) else word for word in arguments))


if __name__ == "__main__":
    unittest.main()
