"""Real client libraries make the same calls through larder-proxy and straight, and get the same answers.

Run by `cargo xtask search-clients`, which provides the programs and a Python for each library. Each library has two new servers of a
kind: one behind the proxy, one asked straight. The calls are those of `client_calls.py`. The last line is `differences: N of M calls`.
With `--without-generations` writes do not invalidate, and there must be differences.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

from programs import Program, engine, folder_for_all, free_port, proxy

HERE = pathlib.Path(__file__).parent
# Which kinds of servers a library is tried with. Those of Elasticsearch refuse a server that is none, through the proxy as well.
KINDS = {
    "elasticsearch7": ["noida", "osmem"],
    "elasticsearch8": ["noida", "osmem"],
    "elasticsearch9": ["noida", "osmem"],
    "opensearchpy": ["noida", "osmem"],
    "pysolr": ["solr-form"],
}


def server(kind, programs, python, folder):
    if kind != "solr-form":
        return engine(kind, programs[kind], folder)
    port = free_port()
    return Program([python, "-B", HERE / "solr_form.py", port], port, folder)


def calls(python, module, address):
    command = [python, "-B", "-W", "ignore", HERE / "client_calls.py", module, f"http://{address}"]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300, text=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


def hits(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    lines = [line for line in text.splitlines() if line.startswith("larder_proxy_requests_total") and 'outcome="hit"' in line]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))


def compare(module, kind, said, folder):
    """The number of calls, and of those whose outcomes differ."""
    python, running = said.clients[module], []
    try:
        behind = server(kind, said.programs, python, folder / "behind")
        running.append(behind)
        running.append(server(kind, said.programs, python, folder / "straight"))
        straight = running[-1].address
        search = "invalidation = false\n" if said.without_generations else ""
        mode = "search-solr" if kind == "solr-form" else "search-elasticsearch"
        running.append(proxy(said.proxy, behind.address, folder / "proxy", mode, search, admin=True))
        through = calls(python, module, running[-1].address)
        expected = calls(python, module, straight)
        found = hits(running[-1].admin)
    finally:
        for program in reversed(running):
            program.stop()
    differ = abs(len(through) - len(expected))
    for number, (one, other) in enumerate(zip(through, expected)):
        if one != other:
            differ += 1
            if differ <= 3:
                print(f"{module}, {kind}, call {number}, {other[0]}:\n  through:  {one[1]}\n  straight: {other[1]}")
    raised = sum(outcome[0] == "raised" for _, outcome in expected)
    print(f"{module}, {kind}: {len(expected)} calls, {raised} of them raised, {found} requests were hits, {differ} differences", flush=True)
    # A library that refuses the server raises nearly always; others have to be answered, and from the cache.
    worked = raised * 2 < len(expected)
    if worked and not found:
        raise SystemExit("nothing was answered from the cache")
    return len(expected), differ, worked


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--proxy", required=True)
    parser.add_argument("--program", action="append", required=True, help="KIND=PATH of a search server")
    parser.add_argument("--client", action="append", required=True, help="MODULE=PYTHON that has it")
    parser.add_argument("--without-generations", action="store_true")
    said = parser.parse_args()
    said.programs = dict(program.split("=", 1) for program in said.program)
    said.clients = dict(client.split("=", 1) for client in said.client)
    asked = differences = 0
    with tempfile.TemporaryDirectory(prefix="larder-clients-") as folder:
        folder = folder_for_all(folder)
        for module in said.clients:
            worked = False
            for kind in KINDS[module]:
                place = folder / f"{module}-{kind}"
                place.mkdir()
                number, differ, here = compare(module, kind, said, place)
                asked, differences, worked = asked + number, differences + differ, worked or here
            if not worked:
                sys.exit(f"{module} works with none of the servers")
    print(f"differences: {differences} of {asked} calls")
    sys.exit(0 if bool(differences) == said.without_generations else "the run has failed")


if __name__ == "__main__":
    main()
