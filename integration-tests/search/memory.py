"""What larder-proxy takes for connections that do nothing, and for large uploads that an upstream reads slowly.

Run by `cargo xtask search-memory`, which provides the program. Half of the connections have asked for something and stay, half never
say anything. Of the uploads, each of 1 GiB by its `Content-Length`, half come as fast as they are taken, half come slowly; all go to
an upstream of this script that reads 256 KiB/s of each. A third each are `_bulk` requests (read as they pass), documents, and
searches whose body is too large to be a key. They are broken off after `--seconds`, since memory would have grown by then.
The last line is `idle connections: N KiB each; slow uploads: from A MiB to B MiB`.
"""

import argparse
import pathlib
import resource
import socket
import socketserver
import sys
import tempfile
import threading
import time

from programs import proxy

ANSWER = b'{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"hits":[]}}'
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
LENGTH = 1 << 30
# What may be taken: KiB for a connection, and MiB for an upload. Up to `max_request` (1 MiB) of a body is read before it is known to be more.
MOST_IDLE, MOST_UPLOAD = 64, 2
SETTINGS = '[proxy]\nmax_connections = 30000\nheader_timeout = "10m"\nbody_timeout = "5m"\n'


class Upstream(socketserver.BaseRequestHandler):
    """Answers small requests, and reads large ones slowly."""

    read = 0

    def handle(self):
        try:
            while head := self.head():
                if b"content-length: %d" % LENGTH not in head.lower():
                    self.request.sendall(REPLY)
                    continue
                while piece := self.request.recv(1 << 14):
                    Upstream.read += len(piece)
                    time.sleep(1 / 16)
        except OSError:
            pass

    def head(self):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.request.recv(1 << 12)
            if not piece:
                return None
            head += piece
        return head


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1024


def resident(process):
    """MiB."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("larder-proxy has ended")


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection):
    connection.sendall(b"GET /shop/_search?q=a HTTP/1.1\r\nhost: shop\r\n\r\n")
    answer = b""
    while ANSWER not in answer:
        piece = connection.recv(1 << 12)
        if not piece:
            raise SystemExit(f"no answer: {answer!r}")
        answer += piece


def idle(program, count):
    """KiB that each takes. A second time, none of that has to be asked of the system again: what they leave is used again."""
    ask(connect(program.port))
    time.sleep(1)
    before = resident(program.process)
    most = [held(program, count) for _ in range(2)]
    print(f"{count} idle connections: from {before:.1f} MiB to {most[0]:.1f} MiB, and the next {count} to {most[1]:.1f} MiB")
    if most[1] - before > (most[0] - before) * 1.2:
        raise SystemExit("what connections leave grows")
    return (most[0] - before) * 1024 / count


def held(program, count):
    """MiB while there are this many connections."""
    connections = []
    for number in range(count):
        connections.append(connect(program.port))
        if number % 2:
            ask(connections[-1])
    time.sleep(2)
    # They are all still there.
    for connection in connections[:: max(1, count // 100)]:
        ask(connection)
    most = resident(program.process)
    for connection in connections:
        connection.close()
    time.sleep(2)
    return most


def upload(port, number, over, sent):
    path = ["/shop/_bulk", "/shop/_doc/1", "/shop/_search"][number % 3].encode()
    method = b"PUT" if b"_doc" in path else b"POST"
    line = b'{"index":{"_id":"%d"}}\n{"t":"%s"}\n' % (number, b"a" * 180)
    piece = line * 256
    try:
        connection = connect(port)
        connection.settimeout(1)
        connection.sendall(
            b"%s %s HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (method, path, LENGTH)
        )
        while not over.is_set():
            try:
                sent[number] += connection.send(piece)
            except TimeoutError:
                continue
            if number % 2:
                time.sleep(0.25)
        connection.close()
    except OSError as why:
        print(f"an upload ended: {why}")


def uploads(program, count, seconds):
    """MiB before, and the most at any time."""
    ask(connect(program.port))
    time.sleep(1)
    before = most = resident(program.process)
    over, sent = threading.Event(), [0] * count
    threads = [threading.Thread(target=upload, args=(program.port, n, over, sent), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    until, halves = time.monotonic() + seconds, [0.0, 0.0]
    while (left := until - time.monotonic()) > 0:
        now = resident(program.process)
        most = max(most, now)
        half = 0 if left > seconds / 2 else 1
        halves[half] = max(halves[half], now)
        time.sleep(0.1)
    over.set()
    for thread in threads:
        thread.join(10)
    time.sleep(2)
    print(
        f"{count} uploads of 1 GiB for {seconds} s: {sum(sent) >> 20} MiB sent, {Upstream.read >> 20} MiB read upstream; at most "
        f"{halves[0]:.1f} MiB in the first half, {halves[1]:.1f} MiB in the second, {resident(program.process):.1f} MiB afterwards"
    )
    if min(sent) == 0 or sum(sent) < count << 20:
        raise SystemExit("too little was sent for this to show anything")
    return before, most


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--proxy", required=True)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--uploads", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    said = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < said.connections + 1000:
        sys.exit(f"{hard} open files are allowed here, too few for {said.connections} connections; try --connections {hard - 1000}")
    upstream = Server(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="larder-memory-") as folder:
        address = "127.0.0.1:%d" % upstream.server_address[1]
        begin = lambda name: proxy(said.proxy, address, pathlib.Path(folder) / name, "search-elasticsearch", more=SETTINGS)
        program = begin("idle")
        try:
            each = idle(program, said.connections)
        finally:
            program.stop()
        # What is measured has nothing left of the others.
        program = begin("uploads")
        try:
            before, most = uploads(program, said.uploads, said.seconds)
        finally:
            program.stop()
    print(f"idle connections: {each:.1f} KiB each; slow uploads: from {before:.0f} MiB to {most:.0f} MiB")
    if each > MOST_IDLE or most - before > MOST_UPLOAD * said.uploads:
        sys.exit(f"allowed are {MOST_IDLE} KiB for a connection, and {MOST_UPLOAD} MiB for an upload")


if __name__ == "__main__":
    main()
