"""Asks a real search server the same questions through larder-proxy and straight, with writes in between.

Run by `cargo xtask search-differential`, which provides the programs. Two fifths of the questions go through one proxy with its
cache in memory, as many through two that share a Redis: what is written through one is asked for through the other. The rest
goes through one in mode `verify`, and there half of the writes do not pass the proxy. The last line is
`differences: D of N`. With `--without-generations` writes do not invalidate, and there must be differences: that is the proof
that the run can find some. Mode `verify` is left out then, since it has none.
"""

import argparse
import http.client
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

WORDS = ["ada", "bell", "cobol", "dijkstra", "erlang", "forth"]
KINDS = ["red", "green", "blue"]
INDICES = ["shop", "books"]
ALIASES = ["market", "library"]
MAPPING = {"mappings": {"properties": {"t": {"type": "text"}, "k": {"type": "keyword"}, "n": {"type": "integer"}}}}
TOOK = re.compile(rb'"took":\s*\d+')


def plain(path, body):
    """An answer without the times that it took. What is put together of several need not have its members in one order."""
    body = TOOK.sub(b'"took":0', body)
    if not path.endswith(("_msearch", "_mget", "_search")):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body


class Server:
    """A program that listens; ended with this process."""

    def __init__(self, command, output, pattern, **options):
        self.process = subprocess.Popen(command, **{output: subprocess.PIPE}, **options)
        pipe = getattr(self.process, output)
        for line in pipe:
            found = re.search(pattern, line)
            if found:
                self.address = found.group(1).decode()
                # What follows is not read by anybody, and must not fill the pipe.
                threading.Thread(target=lambda: [None for _ in pipe], daemon=True).start()
                return
        raise SystemExit(f"{command[0]} did not start")

    def stop(self):
        self.process.kill()
        self.process.wait()


def redis(program, folder):
    """Its Unix socket would not need a port, but is not what a deployment has."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = Server(command, "stdout", rb"(Ready to accept connections)")
    server.address = f"127.0.0.1:{port}"
    return server


class Client:
    """One kept connection for each thread."""

    def __init__(self, address):
        self.address = address
        self.connection = None

    def ask(self, method, path, body, kind="application/json"):
        for attempt in (0, 1):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.address, timeout=30)
                self.connection.request(method, path, body, {"Content-Type": kind} if body else {})
                answer = self.connection.getresponse()
                return answer.status, answer.read(), answer.headers.get("Cache-Status", "")
            except (http.client.HTTPException, OSError):
                self.connection = None
                if attempt:
                    raise


class Questions:
    """Questions that come again, so that there is something to hit."""

    def __init__(self, chance):
        self.chance = chance
        self.asked = []

    def next(self):
        if self.asked and self.chance.random() < 0.8:
            return self.chance.choice(self.asked[-20:])
        question = self.make()
        self.asked.append(question)
        return question

    def target(self):
        return self.chance.choice([*INDICES, *INDICES, *ALIASES, "shop,books", "sh*", "_all"])

    def query(self):
        chance = self.chance
        word, kind, number = chance.choice(WORDS), chance.choice(KINDS), chance.randrange(20)
        clauses = [
            {"match": {"t": word}},
            {"term": {"k": kind}},
            {"range": {"n": {"gte": number, "lt": number + 8}}},
            {"match_all": {}},
            {"terms": {"k": chance.sample(KINDS, 2)}},
        ]
        if chance.random() < 0.3:
            must, other, never = chance.sample(clauses, 3)
            return {"bool": {"must": [must], "filter": [other], "must_not": [never] if "match_all" not in never else []}}
        return chance.choice(clauses)

    def search(self):
        chance = self.chance
        body = {"query": self.query()}
        if chance.random() < 0.4:
            body["aggs"] = {
                "kinds": {"terms": {"field": "k", "order": {"_key": "asc"}}, "aggs": {"sum": {"sum": {"field": "n"}}}}
            }
        if chance.random() < 0.5:
            body["sort"] = [{"n": chance.choice(["asc", "desc"])}, {"_id": "asc"}]
        if chance.random() < 0.4:
            body["from"], body["size"] = chance.randrange(3), chance.randrange(1, 6)
        return body

    def make(self):
        chance = self.chance
        kind = chance.choices(["search", "count", "msearch", "doc", "mget", "cat", "get"], [10, 3, 2, 2, 1, 0, 2])[0]
        if kind == "search":
            return "POST", f"/{self.target()}/_search", json.dumps(self.search())
        if kind == "get":
            return "GET", f"/{self.target()}/_search", json.dumps(self.search())
        if kind == "count":
            return "POST", f"/{self.target()}/_count", json.dumps({"query": self.query()})
        if kind == "doc":
            return "GET", f"/{chance.choice(INDICES + ALIASES)}/_doc/{chance.randrange(12)}", None
        if kind == "mget":
            ids = [str(chance.randrange(12)) for _ in range(3)]
            return "POST", f"/{chance.choice(INDICES)}/_mget", json.dumps({"ids": ids})
        lines = []
        for _ in range(chance.randrange(1, 4)):
            lines += [json.dumps({"index": self.target()}), json.dumps(self.search())]
        return "POST", "/_msearch", "\n".join(lines) + "\n"


def document(chance):
    words = " ".join(chance.choices(WORDS, k=3))
    return {"t": words, "k": chance.choice(KINDS), "n": chance.randrange(30)}


def write(chance):
    """A change, as method, path, body and content type."""
    index, number = chance.choice(INDICES + ALIASES[:1]), chance.randrange(12)
    kind = chance.choices(["put", "update", "delete", "bulk", "query", "alias", "index"], [6, 3, 3, 4, 1, 2, 1])[0]
    if kind == "put":
        return "PUT", f"/{index}/_doc/{number}", json.dumps(document(chance))
    if kind == "update":
        return "POST", f"/{index}/_update/{number}", json.dumps({"doc": {"n": chance.randrange(30)}})
    if kind == "delete":
        return "DELETE", f"/{index}/_doc/{number}", None
    if kind == "bulk":
        lines = []
        for _ in range(chance.randrange(1, 5)):
            where = {"_id": str(chance.randrange(12)), "_index": chance.choice(INDICES)}
            if chance.random() < 0.3:
                lines.append(json.dumps({"delete": where}))
            else:
                lines += [json.dumps({"index": where}), json.dumps(document(chance))]
        return "POST", "/_bulk", "\n".join(lines) + "\n"
    if kind == "query":
        return "POST", f"/{index}/_delete_by_query", json.dumps({"query": {"term": {"k": chance.choice(KINDS)}}})
    if kind == "alias":
        alias = chance.choice(ALIASES)
        actions = [
            {"remove": {"index": "*", "alias": alias}},
            {"add": {"index": chance.choice(INDICES), "alias": alias}},
        ]
        return "POST", "/_aliases", json.dumps({"actions": actions})
    return "DELETE", f"/{chance.choice(INDICES)}", None


def media(path):
    return "application/x-ndjson" if path.endswith(("_bulk", "_msearch")) else "application/json"


class Run:
    """Questions to these proxies: the first is written through, the last is asked, in turns."""

    def __init__(self, name, chance, straight, proxies, behind):
        self.name, self.chance, self.behind = name, chance, behind
        self.straight = Client(straight)
        self.proxies = [Client(address) for address in proxies]
        self.questions = Questions(chance)
        self.counts = {"hits": 0, "writes": 0, "unstable": 0, "differences": 0, "asked": 0}

    def prepare(self):
        """Indices with a mapping, and what an alias needs."""
        for index in INDICES:
            self.straight_or_proxy(0, "PUT", f"/{index}", json.dumps(MAPPING))
        actions = [{"add": {"index": index, "alias": alias}} for index, alias in zip(INDICES, ALIASES)]
        self.straight_or_proxy(0, "POST", "/_aliases", json.dumps({"actions": actions}))

    def straight_or_proxy(self, place, method, path, body):
        return self.proxies[place].ask(method, path, body, media(path))

    def change(self):
        self.counts["writes"] += 1
        method, path, body = write(self.chance)
        place = self.chance.randrange(len(self.proxies))
        if self.behind and self.chance.random() < 0.5:
            self.straight.ask(method, path, body, media(path))
        else:
            self.straight_or_proxy(place, method, path, body)
        if method == "DELETE" and "_doc" not in path:
            self.prepare()

    def compare(self, question):
        method, path, body = question
        self.counts["asked"] += 1
        place = self.chance.randrange(len(self.proxies))
        status, through, said = self.straight_or_proxy(place, method, path, body)
        self.counts["hits"] += ";hit" in said or "verified" in said
        expected = self.straight.ask(method, path, body, media(path))
        if (status, plain(path, through)) == (expected[0], plain(path, expected[1])):
            return
        again = self.straight.ask(method, path, body, media(path))
        if plain(path, again[1]) != plain(path, expected[1]):
            self.counts["unstable"] += 1
            return
        self.counts["differences"] += 1
        if self.counts["differences"] <= 3:
            print(f"{self.name}: {method} {path} {body}\n  {said}\n  through:  {through!r}\n  straight: {expected[1]!r}")

    def storm(self):
        """Writes and searches at the same time; when the writes are over, nothing old may be left."""
        addresses = [client.address for client in self.proxies]
        over = threading.Event()
        questions = self.questions.asked[-20:]
        writes = [
            [change for change in (write(self.chance) for _ in range(40)) if change[0] != "DELETE" or "_doc" in change[1]]
            for _ in range(2)
        ]

        def writing(changes):
            clients = [Client(address) for address in addresses]
            for number, (method, path, body) in enumerate(changes):
                clients[number % len(clients)].ask(method, path, body, media(path))

        def asking(seed):
            chance = random.Random(seed)
            clients = [Client(address) for address in addresses]
            while not over.is_set():
                method, path, body = chance.choice(questions)
                chance.choice(clients).ask(method, path, body, media(path))

        askers = [threading.Thread(target=asking, args=(self.chance.random(),)) for _ in range(3)]
        writers = [threading.Thread(target=writing, args=(changes,)) for changes in writes]
        for thread in askers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        over.set()
        for thread in askers:
            thread.join()
        self.counts["writes"] += sum(map(len, writes))
        for question in questions:
            self.compare(question)

    def run(self, count):
        self.prepare()
        for _ in range(12):
            self.change()
        storms = 0
        while self.counts["asked"] < count:
            if self.counts["asked"] >= 300 * (storms + 1):
                storms += 1
                self.storm()
            elif self.chance.random() < 0.06:
                self.change()
            else:
                self.compare(self.questions.next())
        print(f"{self.name}: {self.counts}, storms: {storms}")


def proxy(program, upstream, folder, name, settings, mode):
    home = folder / name
    home.mkdir()
    (home / "larder.toml").write_text(
        f'[upstreams.es]\naddresses = ["{upstream}"]\n'
        f'[routes.es]\nupstream = "es"\nmode = "{mode}"\n{settings}'
    )
    command = [program, "--config", "larder.toml", "--listen", "127.0.0.1:0"]
    return Server(command, "stderr", rb"listening on http://([0-9.:]+)/", cwd=home, env={})


def main():
    arguments = argparse.ArgumentParser()
    for name in ("--server", "--proxy", "--redis"):
        arguments.add_argument(name, required=True)
    arguments.add_argument("--queries", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    arguments.add_argument("--without-generations", action="store_true")
    said = arguments.parse_args()
    print(f"seed: {said.seed}")
    search = "[routes.es.search]\ninvalidation = false\n" if said.without_generations else ""
    servers = []
    total = {"asked": 0, "differences": 0, "hits": 0}
    try:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            shared = redis(said.redis, folder)
            servers.append(shared)
            # Without a lag, each sees at once what the other has written.
            store = f'[stores.main]\nbackend = "redis"\nurl = "redis://{shared.address}"\n'
            two = search + store + '[caches.search]\ninvalidation_lag = "0s"\n'
            share = said.queries // 2 if said.without_generations else said.queries * 2 // 5
            runs = [("one", [search], share), ("two", [two, two], share)]
            if not said.without_generations:
                runs.append(("verify", [""], said.queries - 2 * share))
            for name, settings, queries in runs:
                mode = "verify" if name == "verify" else "search-elasticsearch"
                command = [said.server, "-addr", "127.0.0.1:0", "-no-stdin-watch"]
                engine = Server(command, "stdout", rb'"url":"(http://[0-9.:]+)"')
                servers.append(engine)
                proxies = [
                    proxy(said.proxy, engine.address, folder, f"{name}-{number}", text, mode)
                    for number, text in enumerate(settings)
                ]
                servers += proxies
                straight = engine.address.removeprefix("http://")
                addresses = [server.address for server in proxies]
                run = Run(name, random.Random(said.seed), straight, addresses, mode == "verify")
                run.run(queries)
                for key in total:
                    total[key] += run.counts[key]
    finally:
        for server in servers:
            server.stop()
    print(f"differences: {total['differences']} of {total['asked']}")
    found = total["differences"] > 0
    # A run that hits nothing shows nothing.
    if found != said.without_generations or total["hits"] * 10 < total["asked"]:
        sys.exit("the run has failed")


if __name__ == "__main__":
    main()
