"""Sets six traps of searches for larder-proxy, and for two generic HTTP caches as they are usually set up.

Run by `cargo xtask search-traps`, which provides the programs. Most are set in front of a real search server; what that server
does not do on demand (time-outs, answers by user) is done by a small one here. The last line is
`wrong answers: larder-proxy L, nginx N, varnish V`. It fails if L is not 0, or if one of the others falls into none: then the
traps prove nothing.
"""

import argparse
import http.client
import http.server
import itertools
import json
import sys
import tempfile
import threading

from programs import Program, engine, folder_for_all, free_port


def larder(program, upstream, port, folder):
    return [program, "--upstream", f"http://{upstream}", "--listen", f"127.0.0.1:{port}"]


def nginx(program, upstream, port, folder):
    """With the key that is copied most for searches by POST."""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    )
    (folder / "nginx.conf").write_text(
        f"user root;\ndaemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}"
        f"proxy_cache_path {folder}/cache keys_zone=searches:1m;\nserver {{\nlisten 127.0.0.1:{port};\nlocation / {{\n"
        f"proxy_pass http://{upstream};\nproxy_cache searches;\nproxy_cache_methods GET HEAD POST;\nproxy_cache_valid 200 1m;\n"
        'proxy_cache_key "$request_uri|$request_body";\n}\n}\n}\n'
    )
    return [program, "-p", folder, "-c", folder / "nginx.conf"]


def varnish(program, upstream, port, folder):
    """As it comes: it answers a GET for two minutes where the upstream says nothing of an answer's life."""
    return [program, "-F", "-j", "none", "-a", f"127.0.0.1:{port}", "-b", upstream, "-s", "malloc,16m", "-n", folder / "work"]


def ask(address, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(address, timeout=20)
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status >= 500:
        raise SystemExit(f"{address}: {method} {path}: {answer.status} {text[:200]!r}")
    return json.loads(text) if text else None


def ids(answer):
    return sorted(hit["_id"] for hit in answer["hits"]["hits"])


class Staged(http.server.BaseHTTPRequestHandler):
    """What a search server does in bad moments: the first answer to each path is a part of the whole. And it answers by user."""

    protocol_version = "HTTP/1.1"
    seen = set()

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_first = self.path not in self.seen
        self.seen.add(self.path)
        late = is_first and "late" in self.path
        failed = 1 if is_first and "failed" in self.path else 0
        hits = [] if late or failed else [{"_index": "i", "_id": self.headers.get("Authorization", "whole"), "_score": 1.0}]
        body = json.dumps(
            {
                "took": 1,
                "timed_out": late,
                "_shards": {"total": 2, "successful": 2 - failed, "skipped": 0, "failed": failed},
                "hits": {"total": {"value": len(hits), "relation": "eq"}, "max_score": 1.0, "hits": hits},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def long_search(word):
    """Two of these differ behind their first 30 KiB only."""
    padding = [f"padding-{n:08}" for n in range(2000)]
    return {"query": {"bool": {"must_not": [{"terms": {"k": padding}}], "must": [{"match": {"t": word}}]}}}


def tail(proxy, engine, _):
    """a body beyond 16 KiB, whose end differs"""
    for word in ["ada", "bell"]:
        for _ in range(2):
            if ids(ask(proxy, "POST", "/shop/_search", long_search(word))) != ids(ask(engine, "POST", "/shop/_search", long_search(word))):
                return False
    return True


def get_with_body(proxy, engine, _):
    """the body of a GET"""
    for word in ["ada", "bell"]:
        body = {"query": {"match": {"t": word}}}
        for _ in range(2):
            if ids(ask(proxy, "GET", "/shop/_search", body)) != ids(ask(engine, "GET", "/shop/_search", body)):
                return False
    return True


NUMBERS = itertools.count()


def write(proxy, engine, _):
    """a write, and the same search afterwards"""
    path, found = "/shop/_search?q=t:ada&size=100", len(ids(ask(engine, "GET", "/shop/_search?q=t:ada&size=100")))
    for _ in range(2):
        ask(proxy, "GET", path)
    ask(proxy, "PUT", f"/shop/_doc/new-{next(NUMBERS)}?refresh=true", {"t": "ada", "k": "new"})
    return len(ids(ask(proxy, "GET", path))) == found + 1


def principal(proxy, _, staged):
    """the answer of another user"""
    for user in ["Basic YQ==", "Basic Yg=="]:
        for _ in range(2):
            if ids(ask(proxy.staged, "GET", "/i/_search?q=users", Authorization=user)) != [user]:
                return False
    return True


def late(proxy, _, staged):
    """an answer that timed out"""
    path = f"/i/_search?q=late-{next(NUMBERS)}"
    ask(proxy.staged, "GET", path)
    return ids(ask(proxy.staged, "GET", path)) == ["whole"]


def failed(proxy, _, staged):
    """an answer without a failed shard's part"""
    path = f"/i/_search?q=failed-{next(NUMBERS)}"
    ask(proxy.staged, "GET", path)
    return ids(ask(proxy.staged, "GET", path)) == ["whole"]


TRAPS = [tail, get_with_body, write, principal, late, failed]


class Address(str):
    """Of a proxy before the engine; the one before the small server is beside it."""

    staged = None


def main():
    parser = argparse.ArgumentParser()
    for program in ["server", "proxy", "nginx", "varnish"]:
        parser.add_argument(f"--{program}", required=True)
    programs = parser.parse_args()
    staged = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Staged)
    threading.Thread(target=staged.serve_forever, daemon=True).start()
    running, wrong = [], {}
    with tempfile.TemporaryDirectory(prefix="larder-traps-") as folder:
        folder = folder_for_all(folder)
        try:
            running.append(engine("osmem", programs.server, folder / "engine"))
            server = running[0].address
            mapping = {"mappings": {"properties": {"t": {"type": "text"}, "k": {"type": "keyword"}}}}
            ask(server, "PUT", "/shop", mapping)
            for n, word in enumerate(["ada", "bell", "cobol"] * 3):
                ask(server, "PUT", f"/shop/_doc/{n}?refresh=true", {"t": word, "k": f"kind-{n}"})
            kinds = [("larder-proxy", larder, programs.proxy), ("nginx", nginx, programs.nginx), ("varnish", varnish, programs.varnish)]
            print("| | " + " | ".join(name for name, _, _ in kinds) + " |")
            print("|---|---|---|---|")
            proxies = []
            for name, command, program in kinds:
                addresses = []
                for upstream in [server, "127.0.0.1:%d" % staged.server_address[1]]:
                    port = free_port()
                    place = folder / f"{name}-{port}"
                    place.mkdir()
                    running.append(Program(command(program, upstream, port, place), port, place))
                    addresses.append(running[-1].address)
                address = Address(addresses[0])
                address.staged = addresses[1]
                proxies.append((name, address))
                wrong[name] = 0
            for trap in TRAPS:
                cells = []
                for name, address in proxies:
                    Staged.seen.clear()
                    is_right = trap(address, server, staged)
                    wrong[name] += not is_right
                    cells.append("right" if is_right else "**wrong**")
                print(f"| {trap.__doc__} | " + " | ".join(cells) + " |")
        finally:
            for program in reversed(running):
                program.stop()
    print("wrong answers: " + ", ".join(f"{name} {count}" for name, count in wrong.items()))
    sys.exit(0 if wrong["larder-proxy"] == 0 and wrong["nginx"] and wrong["varnish"] else 1)


if __name__ == "__main__":
    main()
