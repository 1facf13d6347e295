"""Asks real search servers the same questions through larder-proxy and straight, with writes in between.

Run by `cargo xtask search-differential`, which provides the programs. For each server there are several runs, each with an engine
of its own: `one` proxy with its cache in memory; `two` that share a Redis, where what is written through one is asked for through
the other, and now and then one is killed between a write and its answer; `map`, two that ask for the aliases; `gap`, where after
each write questions are asked until it is refreshed, and then it is seen; and mode `verify`, where half of the writes do not
pass the proxy.

A difference within the bounds of `docs/proxy/search-elasticsearch.md` (a write before its refresh, a proxy that died) has to be
gone at their end, and is counted as `late`. The last line is `differences: D of N`.

With `--without-generations` writes do not invalidate, with `--without-sharing` two proxies do not share a store, with
`--without-gap` an engine is taken for refreshed at once: then there must be differences. That is the proof that the run finds them.
"""

import argparse
import gzip
import http.client
import json
import pathlib
import random
import re
import sys
import tempfile
import threading
import time

from programs import engine, folder_for_all, proxy, redis
from questions import Changes, Questions, prepared
from relay import Relay

TOOK = re.compile(rb'"took":\s*\d+')
# What is compared besides status and body.
FIELDS = ["content-type", "x-elastic-product", "warning"]
# Seconds: how late answers may be after a write (refresh_interval and half a second).
BOUND = 1.5
# Seconds that a machine with other work to do may take besides.
MARGIN = 0.15


def plain(path, body):
    """An answer without the times that it took. What is put together of several need not have its members in one order."""
    body = TOOK.sub(b'"took":0', body)
    if not path.split("?")[0].endswith(("_msearch", "_mget", "_search")):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body


class Client:
    """One kept connection for each thread."""

    def __init__(self, address):
        self.address = address
        self.connection = None

    def ask(self, request, compressed=False, **headers):
        """The answer that is compared, and what the proxy says of it."""
        method, path, body, kind = request
        if kind:
            headers["Content-Type"] = kind
        if compressed:
            headers["Accept-Encoding"] = "gzip"
        for attempt in (0, 1):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.address, timeout=30)
                self.connection.request(method, path, body, headers)
                answer = self.connection.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, OSError):
                self.connection = None
                if attempt:
                    raise
        if answer.headers.get("Content-Encoding") == "gzip":
            text = gzip.decompress(text)
        said = [answer.headers.get(field) for field in FIELDS]
        return (answer.status, said, plain(path, text)), answer.headers.get("Cache-Status", "")


class Run:
    """Questions to these proxies in turns. What is written through one is asked for through any."""

    def __init__(self, name, kind, chance, straight, proxies, relay=None, behind=False):
        self.name, self.chance, self.behind, self.relay = name, chance, behind, relay
        self.straight = Client(straight)
        self.programs = proxies
        self.proxies = [Client(program.address) for program in proxies]
        self.questions, self.changes = Questions(chance, kind), Changes(chance, kind)
        # Until when answers may be late, and whether each write makes them so.
        self.until, self.is_late = 0.0, False
        self.counts = {"asked": 0, "hits": 0, "writes": 0, "late": 0, "unstable": 0, "storms": 0, "deaths": 0, "differences": 0}

    def send(self, request, place):
        """A write, through this proxy."""
        self.counts["writes"] += 1
        if self.behind and self.chance.random() < 0.5:
            self.straight.ask(request)
        else:
            self.proxies[place].ask(request)
        self.wrote()

    def wrote(self):
        if self.is_late:
            self.until = time.monotonic() + BOUND

    def change(self):
        for request in self.changes.next():
            self.send(request, self.chance.randrange(len(self.proxies)))
            if request[1].endswith("_close"):
                for _ in range(3):
                    self.compare(self.questions.next())

    def compare(self, question, place=None):
        self.counts["asked"] += 1
        client = self.proxies[self.chance.randrange(len(self.proxies)) if place is None else place]
        compressed = self.chance.random() < 0.15
        # What may never be late may be of the moment before the engine has refreshed.
        before = self.straight.ask(question, compressed)[0] if self.behind else None
        through, said = client.ask(question, compressed)
        self.counts["hits"] += ";hit" in said or "verified" in said
        expected, _ = self.straight.ask(question, compressed)
        if through == expected:
            return
        if through == before or self.straight.ask(question, compressed)[0] != expected:
            self.counts["unstable"] += 1
            return
        left = self.until - time.monotonic()
        if left > 0:
            time.sleep(left + MARGIN)
            if client.ask(question, compressed)[0] == self.straight.ask(question, compressed)[0]:
                self.counts["late"] += 1
                return
        self.counts["differences"] += 1
        if self.counts["differences"] <= 3:
            print(f"{self.name}: {question}\n  {said}\n  through:  {through!r}\n  straight: {expected!r}")

    def storm(self):
        """Writes and searches at the same time; when the writes are over, nothing old may be left."""
        self.counts["storms"] += 1
        over = threading.Event()
        questions = self.questions.asked[-20:]
        writes = [[request for _ in range(40) for request in self.changes.next(calm=True)] for _ in range(2)]

        def writing(requests):
            clients = [Client(client.address) for client in self.proxies]
            for number, request in enumerate(requests):
                clients[number % len(clients)].ask(request)

        def asking(seed):
            chance = random.Random(seed)
            clients = [Client(client.address) for client in self.proxies]
            while not over.is_set():
                chance.choice(clients).ask(chance.choice(questions))

        askers = [threading.Thread(target=asking, args=(self.chance.random(),)) for _ in range(3)]
        writers = [threading.Thread(target=writing, args=(requests,)) for requests in writes]
        for thread in askers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        over.set()
        for thread in askers:
            thread.join()
        self.counts["writes"] += sum(map(len, writes))
        self.wrote()
        for question in questions:
            self.compare(question)

    def death(self):
        """One proxy is killed when the engine has made a change and nobody was told. The other must not serve what is old."""
        self.counts["deaths"] += 1
        self.counts["writes"] += 1
        victim, questions = self.chance.randrange(2), self.questions.asked[-20:]
        request = self.chance.choice([self.changes.put, self.changes.bulk, self.changes.update_by_query])()[0]
        self.relay.arm()

        def last_words():
            try:
                Client(self.programs[victim].address).ask(request, **{Relay.MARK: "yes"})
            except (http.client.HTTPException, OSError):
                pass

        thread = threading.Thread(target=last_words, daemon=True)
        thread.start()
        if not self.relay.arrived.wait(10):
            raise SystemExit(f"{request} did not reach the engine")
        # What the other stores now is old in a moment.
        for question in questions:
            self.compare(question, 1 - victim)
        self.relay.go.set()
        if not self.relay.answered.wait(10):
            raise SystemExit(f"the engine did not answer {request}")
        self.programs[victim].kill()
        self.until = time.monotonic() + BOUND
        # Else the client's second try is another write.
        self.relay.arm()
        thread.join(10)
        for question in questions[:10]:
            self.compare(question, 1 - victim)
        self.programs[victim].start()
        for question in questions:
            self.compare(question)

    def pause(self):
        """One write, and questions while the engine does not show it yet. As soon as it does, so do the proxies."""
        make = self.chance.choice([self.changes.put, self.changes.update, self.changes.delete, self.changes.bulk])
        [(method, path, body, kind)] = make()
        self.send((method, path.split("?")[0], body, kind), self.chance.randrange(2))
        for _ in range(5):
            self.questions.next()
        # Few, so that each is asked in each part of that time.
        questions = self.questions.asked[-8:]
        for _ in range(30):
            self.compare(self.chance.choice(questions))
            time.sleep(BOUND / 30)
        time.sleep(max(0, self.until - time.monotonic()) + MARGIN)
        self.until = 0.0
        for question in questions:
            self.compare(question)

    def run(self, count):
        for request in prepared():
            self.send(request, 0)
        for _ in range(12):
            self.change()
        while self.counts["asked"] < count:
            if self.counts["asked"] >= 300 * (self.counts["storms"] + 1):
                self.storm()
            elif self.relay and self.counts["asked"] >= 200 * (self.counts["deaths"] + 1):
                self.death()
            elif self.name.endswith("gap"):
                self.pause()
            elif self.chance.random() < 0.06:
                self.change()
            else:
                self.compare(self.questions.next())
        print(f"{self.name}: {self.counts}", flush=True)



def runs(kind, controls):
    """Names of runs, with their share of the questions."""
    if "generations" in controls:
        return {"one": 0.5, "two": 0.5}
    if "sharing" in controls:
        return {"two": 1.0}
    if "gap" in controls:
        return {"gap": 1.0}
    if kind == "noida":
        return {"one": 0.25, "two": 0.2, "map": 0.2, "gap": 0.15, "verify": 0.2}
    # Its writes are seen at once, so there is no gap.
    return {"one": 0.3, "two": 0.25, "map": 0.25, "verify": 0.2}


def one_run(name, kind, said, folder, queries, started):
    def begun(program):
        started.append(program)
        return program

    search = "invalidation = false\n" if "generations" in said.controls else ""
    search += 'refresh_interval = "1ms"\n' if "gap" in said.controls else ""
    search += 'alias_map = "1m"\n' if name == "map" else ""
    shop = begun(engine(kind, said.programs[kind], folder / "engine"))
    relay = begun(Relay(shop.address)) if name == "two" else None
    upstream = relay.address if relay else shop.address
    count, more = (2, "") if name in ("two", "map", "gap") else (1, "")
    if count == 2 and "sharing" not in said.controls:
        shared = begun(redis(said.redis, folder / "redis"))
        # Without a lag, each sees at once what the other has written.
        more = f'[stores.main]\nbackend = "redis"\nurl = "redis://{shared.address}"\n[caches.search]\ninvalidation_lag = "0s"\n'
    proxies = []
    for number in range(count):
        mode = "verify" if name == "verify" else "search-elasticsearch"
        # A write whose proxy has died is in progress for as long as it could have taken.
        settings = 'wait = "1s"\nanswer = "2s"\n' if name == "two" else ""
        place = folder / f"proxy-{number}"
        proxies.append(begun(proxy(said.proxy, upstream, place, mode, search, more, settings)))
    run = Run(f"{kind} {name}", kind, random.Random(f"{said.seed} {kind} {name}"), shop.address, proxies, relay, name == "verify")
    run.is_late = kind == "noida" and name != "verify"
    run.run(queries)
    return run.counts


def main():
    parser = argparse.ArgumentParser()
    for program in ("proxy", "redis"):
        parser.add_argument(f"--{program}", required=True)
    parser.add_argument("--program", action="append", required=True, help="KIND=PATH of a search server")
    parser.add_argument("--server", action="append", help="a kind of search server; all, if none is named")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    for control in ("generations", "sharing", "gap"):
        parser.add_argument(f"--without-{control}", action="append_const", dest="controls", const=control, default=[])
    said = parser.parse_args()
    said.programs = dict(program.split("=", 1) for program in said.program)
    kinds = said.server or (["noida"] if "gap" in said.controls else list(said.programs))
    if unknown := set(kinds) - set(said.programs):
        parser.error(f"no such search server: {unknown}; there are {list(said.programs)}")
    print(f"seed: {said.seed}")
    total = {"asked": 0, "differences": 0, "hits": 0}
    with tempfile.TemporaryDirectory(prefix="larder-search-") as folder:
        folder = folder_for_all(folder)
        for kind in kinds:
            for name, share in runs(kind, said.controls).items():
                place = pathlib.Path(folder) / f"{kind}-{name}"
                place.mkdir()
                started = []
                try:
                    counts = one_run(name, kind, said, place, int(said.queries * share / len(kinds)), started)
                finally:
                    for program in reversed(started):
                        program.stop()
                for key in total:
                    total[key] += counts[key]
    print(f"hits: {total['hits']} of {total['asked']}")
    print(f"differences: {total['differences']} of {total['asked']}")
    found = total["differences"] > 0
    # A run that hits nothing shows nothing.
    if found != bool(said.controls) or total["hits"] * 10 < total["asked"]:
        sys.exit("the run has failed")


if __name__ == "__main__":
    main()
