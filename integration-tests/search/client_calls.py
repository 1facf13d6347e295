"""Calls of a client library, and what each returned or raised, one JSON text a line: run by `clients.py`, by the Python that has the
library. Arguments: the module, and the address. Each reading call is made twice, so that the second can be a hit.

The times that something took, and names that a server makes up (scrolls, points in time), are left out.
"""

import importlib
import json
import re
import sys

MADE_UP = {"took", "_scroll_id", "pit_id", "task", "QTime", "start_time_in_millis", "expiration_time_in_millis", "creation_time"}


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items() if key not in MADE_UP}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    if isinstance(value, str):
        # One server says the identifier of an index in a sentence.
        return re.sub("osmem[0-9a-f]{12,}", "osmem-uuid", value)
    if isinstance(value, (int, float, bool, type(None))):
        return value
    return plain(getattr(value, "body", str(value)))


def elastic(module, url):
    """Calls as services make them, in an order in which each change is seen by what follows."""
    library, helpers = importlib.import_module(module), importlib.import_module(f"{module}.helpers")
    client = library.OpenSearch([url]) if module == "opensearchpy" else library.Elasticsearch([url])
    mapping = {"mappings": {"properties": {"t": {"type": "text"}, "k": {"type": "keyword"}, "n": {"type": "integer"}}}}
    match = {"query": {"match": {"t": "ada"}}, "sort": [{"n": "asc"}]}
    everything = {"query": {"match_all": {}}, "sort": [{"n": "asc"}], "size": 50}
    kinds = {"size": 0, "aggs": {"k": {"terms": {"field": "k", "order": {"_key": "asc"}}, "aggs": {"s": {"sum": {"field": "n"}}}}}}
    lines = [{"index": "shop"}, match, {"index": "goods"}, kinds, {"index": "nowhere"}, everything]
    words = ["ada bell", "bell cobol", "ada dijkstra", "forth", "ada ada"]
    documents = [{"t": words[n % 5], "k": ["red", "green", "blue"][n % 3], "n": n} for n in range(30)]

    def reads():
        yield "info", lambda: client.info()["version"]
        yield "ping", lambda: client.ping()
        yield "search", lambda: client.search(index="shop", body=match)
        yield "search by alias", lambda: client.search(index="goods", body=kinds)
        yield "search of a pattern", lambda: client.search(index="sh*", body=everything)
        yield "search by q", lambda: client.search(index="shop", q="t:cobol", size=2)
        yield "search nowhere", lambda: client.search(index="nowhere", body=match)
        yield "search nonsense", lambda: client.search(index="shop", body={"query": {"nonsense": {}}})
        yield "count", lambda: client.count(index="shop", body={"query": match["query"]})
        yield "msearch", lambda: client.msearch(body=[json.loads(json.dumps(line)) for line in lines])
        yield "get", lambda: client.get(index="shop", id="1")
        yield "get what is not there", lambda: client.get(index="shop", id="none")
        yield "exists", lambda: [client.exists(index="shop", id=number) for number in ("1", "none")]
        yield "get_source", lambda: client.get_source(index="shop", id="1")
        yield "mget", lambda: client.mget(index="shop", body={"ids": ["1", "2", "none"]})
        yield "explain", lambda: client.explain(index="shop", id="1", body={"query": match["query"]})
        yield "field_caps", lambda: client.field_caps(index="shop", fields="*")
        yield "validate", lambda: client.indices.validate_query(index="shop", body={"query": match["query"]})
        yield "termvectors", lambda: client.termvectors(index="shop", id="1", fields="t")
        yield "mapping", lambda: client.indices.get_mapping(index="shop")
        yield "aliases", lambda: client.indices.get_alias(index="shop")
        yield "index exists", lambda: [client.indices.exists(index=index) for index in ("shop", "nowhere")]
        yield "cat count", lambda: client.cat.count(index="shop", h="count")
        yield "scan", lambda: sorted(hit["_id"] for hit in helpers.scan(client, index="shop", query={"query": {"match_all": {}}}, size=7))
        if module in ("elasticsearch8", "elasticsearch9"):
            yield "search by names", lambda: client.search(index="shop", query=match["query"], sort=match["sort"], size=3)
            yield "count by names", lambda: client.count(index="shop", query=match["query"])
            yield "options", lambda: client.options(ignore_status=404).get(index="shop", id="none")

    def changes():
        yield "create", lambda: client.indices.create(index="shop", body=mapping)
        yield "create again", lambda: client.indices.create(index="shop", body=mapping)
        yield "alias", lambda: client.indices.put_alias(index="shop", name="goods")
        actions = [{"_index": "shop", "_id": str(n), **document} for n, document in enumerate(documents)]
        yield "helpers.bulk", lambda: helpers.bulk(client, actions, refresh=True)
        yield "index", lambda: client.index(index="shop", id="1", body={"t": "ada", "k": "red", "n": 100}, refresh=True)
        yield "update", lambda: client.update(index="goods", id="2", body={"doc": {"n": 101}}, refresh=True)
        yield "delete", lambda: client.delete(index="shop", id="3", refresh=True)
        yield "delete again", lambda: client.delete(index="shop", id="3", refresh=True)
        yield "bulk", lambda: client.bulk(
            body=[{"index": {"_index": "shop", "_id": "40"}}, documents[0], {"delete": {"_index": "shop", "_id": "4"}}], refresh=True
        )
        # Nobody waits for this one but the call that follows.
        yield "index, unseen", lambda: client.index(index="shop", id="41", body={"t": "ada", "k": "red", "n": 102})
        yield "refresh", lambda: client.indices.refresh(index="shop")
        by_query = {"query": {"term": {"k": "blue"}}}
        yield "delete_by_query", lambda: client.delete_by_query(index="shop", body=by_query, refresh=True)
        yield "reindex", lambda: client.reindex(body={"source": {"index": "shop"}, "dest": {"index": "shop2"}}, refresh=True)
        yield "mapping", lambda: client.indices.put_mapping(index="shop", body={"properties": {"z": {"type": "keyword"}}})
        move = [{"remove": {"index": "shop", "alias": "goods"}}, {"add": {"index": "shop2", "alias": "goods"}}]
        yield "move the alias", lambda: client.indices.update_aliases(body={"actions": move})
        yield "remove the index", lambda: client.indices.delete(index="shop2")

    for name, change in changes():
        yield name, change
        for _ in range(2):
            yield from reads()


def solr(_, url):
    pysolr = importlib.import_module("pysolr")
    client = pysolr.Solr(f"{url}/solr/shop", timeout=10)
    documents = [{"id": str(n), "t": ["ada bell", "cobol", "ada"][n % 3], "k": ["red", "green"][n % 2], "n": n} for n in range(20)]

    def found(results):
        return {"hits": results.hits, "docs": results.docs}

    def reads():
        yield "search", lambda: found(client.search("t:ada", sort="n asc"))
        yield "search of rows", lambda: found(client.search("t:ada", sort="n desc", rows=3, start=1, fl="id,n"))
        yield "filters", lambda: found(client.search("*:*", fq=["k:red", "t:ada"], sort="n asc"))
        # Beyond 1024 characters it is sent as a form.
        long = " OR ".join(f"id:{n}" for n in range(200))
        yield "a long search", lambda: found(client.search(long, sort="n asc"))
        yield "search nonsense", lambda: found(client.search("t:[", sort="n asc"))
        yield "nothing", lambda: found(client.search("t:nothing"))

    def changes():
        yield "add", lambda: client.add(documents, commit=True)
        yield "add, unseen", lambda: client.add([{"id": "30", "t": "ada", "k": "red", "n": 30}], commit=False)
        yield "commit", lambda: client.commit()
        yield "change", lambda: client.add([{"id": "2", "t": "ada ada", "k": "green", "n": 99}], commit=True)
        yield "soft commit", lambda: client.add([{"id": "31", "t": "ada", "k": "red", "n": 31}], softCommit=True)
        yield "delete", lambda: client.delete(id="0", commit=True)
        yield "delete by query", lambda: client.delete(q="k:red", commit=True)

    for name, change in changes():
        yield name, change
        for _ in range(2):
            yield from reads()


def main():
    module, url = sys.argv[1:]
    calls = solr if module == "pysolr" else elastic
    try:
        for name, call in calls(module, url):
            try:
                outcome = ["returned", plain(call())]
            except Exception as error:  # noqa: BLE001: whatever a library raises is what its caller sees
                # What it says has the address in it, where it is not the server's answer.
                said = [getattr(error, name, None) for name in ("status_code", "body", "info")]
                outcome = ["raised", type(error).__name__, plain(said)]
            print(json.dumps([name, outcome], sort_keys=True), flush=True)
    except Exception as error:  # noqa: BLE001: the first call may be that of the constructor
        print(json.dumps(["client", ["raised", type(error).__name__]]), flush=True)


if __name__ == "__main__":
    main()
