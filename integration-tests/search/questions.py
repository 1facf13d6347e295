"""Questions to a search server, and changes of what it holds, made up at random.

Each is method, path, body and content type. What an engine does not have is asked as well: its error is to pass unchanged.
"""

import json

WORDS = ["ada", "bell", "cobol", "dijkstra", "erlang", "forth"]
KINDS = ["red", "green", "blue"]
INDICES = ["shop", "books"]
ALIASES = ["market", "library"]
# Indices that come to be with the first document, and join an alias by their template.
LATE = ["late-1", "late-2"]
MAPPING = {"mappings": {"properties": {"t": {"type": "text"}, "k": {"type": "keyword"}, "n": {"type": "integer"}}}}
TEMPLATE = {"index_patterns": ["late-*"], "template": {**MAPPING, "aliases": {"market": {}}}}
JSON, LINES = "application/json", "application/x-ndjson"


def prepared():
    """What makes the indices, their mapping and what an alias needs."""
    yield "PUT", "/_index_template/late", json.dumps(TEMPLATE), JSON
    for index in INDICES:
        yield "PUT", f"/{index}", json.dumps(MAPPING), JSON
    actions = [{"add": {"index": index, "alias": alias}} for index, alias in zip(INDICES, ALIASES)]
    yield "POST", "/_aliases", json.dumps({"actions": actions}), JSON


def lines(members):
    return "".join(json.dumps(member) + "\n" for member in members)


class Questions:
    """Questions that come again, so that there is something to hit."""

    # How often each, for its share.
    SHARES = {
        "search": 10, "get": 2, "short": 2, "count": 3, "msearch": 2, "doc": 2, "source": 1, "mget": 2, "mget_all": 1,
        "cat": 1, "field_caps": 1, "explain": 1, "validate": 1, "template": 1, "head": 1,
    }  # fmt: skip

    def __init__(self, chance, engine):
        self.chance, self.engine = chance, engine
        self.asked = []

    def next(self):
        if self.asked and self.chance.random() < 0.8:
            return self.chance.choice(self.asked[-20:])
        kinds = list(self.SHARES)
        question = getattr(self, self.chance.choices(kinds, list(self.SHARES.values()))[0])()
        self.asked.append(question)
        return question

    def target(self):
        return self.chance.choice([*INDICES, *INDICES, *ALIASES, "shop,books", "sh*", "_all", *LATE])

    def name(self):
        return self.chance.choice(INDICES + ALIASES[1:])

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

    def body(self):
        chance = self.chance
        body = {"query": self.query()}
        if chance.random() < 0.4:
            body["aggs"] = {
                "kinds": {"terms": {"field": "k", "order": {"_key": "asc"}}, "aggs": {"sum": {"sum": {"field": "n"}}}}
            }
        if chance.random() < 0.5:
            last = {"_id": "asc"} if self.engine == "osmem" else {"k": "asc"}
            body["sort"] = [{"n": chance.choice(["asc", "desc"])}, last]
        if chance.random() < 0.4:
            body["from"], body["size"] = chance.randrange(3), chance.randrange(1, 6)
        return body

    def search(self):
        return "POST", f"/{self.target()}/_search", json.dumps(self.body()), JSON

    def get(self):
        return "GET", f"/{self.target()}/_search", json.dumps(self.body()), JSON

    def short(self):
        return "GET", f"/{self.target()}/_search?q=t:{self.chance.choice(WORDS)}&size=3", None, None

    def count(self):
        return "POST", f"/{self.target()}/_count", json.dumps({"query": self.query()}), JSON

    def doc(self):
        return "GET", f"/{self.name()}/_doc/{self.chance.randrange(12)}", None, None

    def head(self):
        return "HEAD", f"/{self.name()}/_doc/{self.chance.randrange(12)}", None, None

    def source(self):
        return "GET", f"/{self.name()}/_source/{self.chance.randrange(12)}", None, None

    def mget(self):
        ids = [str(self.chance.randrange(12)) for _ in range(3)]
        return "POST", f"/{self.chance.choice(INDICES)}/_mget", json.dumps({"ids": ids}), JSON

    def mget_all(self):
        docs = [{"_index": self.name(), "_id": str(self.chance.randrange(12))} for _ in range(self.chance.randrange(1, 4))]
        return "POST", "/_mget", json.dumps({"docs": docs}), JSON

    def cat(self):
        # Without `h`, it tells the time.
        return "GET", f"/_cat/count/{self.name()}?h=count", None, None

    def field_caps(self):
        return "GET", f"/{self.name()}/_field_caps?fields=*", None, None

    def explain(self):
        query = json.dumps({"query": {"match": {"t": self.chance.choice(WORDS)}}})
        return "POST", f"/{self.chance.choice(INDICES)}/_explain/{self.chance.randrange(12)}", query, JSON

    def validate(self):
        return "POST", f"/{self.name()}/_validate/query", json.dumps({"query": self.query()}), JSON

    def template(self):
        words = {"source": {"query": {"match": {"t": "{{w}}"}}}, "params": {"w": self.chance.choice(WORDS)}}
        return "POST", f"/{self.name()}/_search/template", json.dumps(words), JSON

    def msearch(self):
        headers = [{"index": self.target()} for _ in range(self.chance.randrange(1, 4))]
        return "POST", "/_msearch", lines(member for header in headers for member in (header, self.body())), LINES


class Changes:
    """Writes of every kind."""

    SHARES = {
        "put": 6, "create": 1, "update": 3, "delete": 3, "bulk": 4, "bulk_here": 2, "delete_by_query": 1, "update_by_query": 2,
        "reindex": 1, "alias": 2, "alias_path": 1, "late": 2, "mapping": 1, "shut": 1, "drop": 1,
    }  # fmt: skip

    def __init__(self, chance, engine):
        self.chance, self.engine = chance, engine

    def next(self, calm=False):
        """A change, as one request or several in a row; if `calm`, none that removes an index."""
        kinds = {kind: share for kind, share in self.SHARES.items() if not calm or kind not in ("drop", "shut", "late")}
        return getattr(self, self.chance.choices(list(kinds), list(kinds.values()))[0])()

    def document(self):
        chance = self.chance
        return {"t": " ".join(chance.choices(WORDS, k=3)), "k": chance.choice(KINDS), "n": chance.randrange(30)}

    def name(self):
        return self.chance.choice(INDICES + ALIASES[1:])

    def number(self):
        return self.chance.randrange(12)

    def refresh(self):
        return self.chance.choice(["", "", "?refresh=true", "?refresh=wait_for"])

    def put(self):
        return [("PUT", f"/{self.name()}/_doc/{self.number()}{self.refresh()}", json.dumps(self.document()), JSON)]

    def create(self):
        return [("PUT", f"/{self.name()}/_create/{self.number()}{self.refresh()}", json.dumps(self.document()), JSON)]

    def update(self):
        body = json.dumps({"doc": {"n": self.chance.randrange(30)}})
        return [("POST", f"/{self.name()}/_update/{self.number()}{self.refresh()}", body, JSON)]

    def delete(self):
        return [("DELETE", f"/{self.name()}/_doc/{self.number()}{self.refresh()}", None, None)]

    def actions(self, where):
        for _ in range(self.chance.randrange(1, 5)):
            place = {**where(), "_id": str(self.number())}
            kind = self.chance.choice(["index", "index", "update", "delete"])
            yield {kind: place}
            if kind == "index":
                yield self.document()
            elif kind == "update":
                yield {"doc": {"n": self.chance.randrange(30)}}

    def bulk(self):
        body = lines(self.actions(lambda: {"_index": self.chance.choice(INDICES)}))
        return [("POST", f"/_bulk{self.refresh()}", body, LINES)]

    def bulk_here(self):
        return [("POST", f"/{self.name()}/_bulk{self.refresh()}", lines(self.actions(dict)), LINES)]

    def delete_by_query(self):
        query = json.dumps({"query": {"term": {"k": self.chance.choice(KINDS)}}})
        return [("POST", f"/{self.chance.choice(INDICES)}/_delete_by_query?conflicts=proceed&refresh=true", query, JSON)]

    def update_by_query(self):
        body = {"query": {"term": {"k": self.chance.choice(KINDS)}}}
        if self.engine == "noida":
            body["script"] = {"source": f"ctx._source.n={self.chance.randrange(30)}", "lang": "painless"}
        path = f"/{self.chance.choice(INDICES)}/_update_by_query?conflicts=proceed&refresh=true"
        return [("POST", path, json.dumps(body), JSON)]

    def reindex(self):
        source, dest = self.chance.sample(INDICES, 2)
        body = {"source": {"index": source, "query": {"term": {"k": self.chance.choice(KINDS)}}}, "dest": {"index": dest}}
        return [("POST", "/_reindex?refresh=true", json.dumps(body), JSON)]

    def alias(self):
        alias = self.chance.choice(ALIASES)
        actions = [
            {"remove": {"index": "*", "alias": alias}},
            {"add": {"index": self.chance.choice(INDICES), "alias": alias}},
        ]
        return [("POST", "/_aliases", json.dumps({"actions": actions}), JSON)]

    def alias_path(self):
        method = self.chance.choice(["PUT", "DELETE"])
        return [(method, f"/{self.chance.choice(INDICES)}/_alias/market", None, None)]

    def late(self):
        index = self.chance.choice(LATE)
        if self.chance.random() < 0.4:
            return [("DELETE", f"/{index}", None, None)]
        return [("PUT", f"/{index}/_doc/{self.number()}{self.refresh()}", json.dumps(self.document()), JSON)]

    def mapping(self):
        body = {"properties": {f"extra{self.chance.randrange(5)}": {"type": "keyword"}}}
        return [("PUT", f"/{self.chance.choice(INDICES)}/_mapping", json.dumps(body), JSON)]

    def shut(self):
        index = self.chance.choice(INDICES)
        return [("POST", f"/{index}/_close", None, None), ("POST", f"/{index}/_open", None, None)]

    def drop(self):
        return [("DELETE", f"/{self.chance.choice(INDICES)}", None, None), *prepared()]
