"""A relay of bytes between a proxy and an engine, which can hold a request that bears a mark, before it or its answer passes.

So a proxy can be killed at a moment that is known: when the engine has made a change, and nobody was told.
"""

import socket
import threading


class Relay:
    """Relays connections to an address, on a port of its own."""

    # A field that no client sends for any other reason.
    MARK = "x-last-words"

    def __init__(self, upstream):
        host, port = upstream.rsplit(":", 1)
        self.upstream = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.arm()
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self):
        """Before each marked request."""
        self.arrived, self.go, self.answered = threading.Event(), threading.Event(), threading.Event()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.upstream)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            held = threading.Event()
            threading.Thread(target=self.requests, args=(client, server, held), daemon=True).start()
            threading.Thread(target=self.answers, args=(client, server, held), daemon=True).start()

    def requests(self, client, server, held):
        mark = self.MARK.encode()
        try:
            while piece := client.recv(1 << 16):
                if mark in piece:
                    held.set()
                    self.arrived.set()
                    self.go.wait(30)
                server.sendall(piece)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def answers(self, client, server, held):
        try:
            while piece := server.recv(1 << 16):
                if held.is_set():
                    # Nobody hears of it.
                    self.answered.set()
                    continue
                client.sendall(piece)
        except OSError:
            pass
        finally:
            for end in (client, server):
                end.close()

    def stop(self):
        self.listener.close()
