"""Not Solr, which no package registry has: a server of ours that speaks as Solr does, on a real index (tantivy).

What `pysolr` asks is answered: `/select` by GET and as a form, updates as JSON and XML. As in Solr, what is added or deleted is seen
with the next commit. Run by `clients.py`; argument: the port.
"""

import http.server
import json
import re
import sys
import threading
import urllib.parse
from xml.etree import ElementTree

import tantivy

FIELDS = ["id", "t", "k", "n"]


class Index:
    def __init__(self):
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("id", stored=True, tokenizer_name="raw")
        schema.add_text_field("t", stored=True)
        schema.add_text_field("k", stored=True, tokenizer_name="raw")
        schema.add_integer_field("n", stored=True, indexed=True, fast=True)
        self.index = tantivy.Index(schema.build())
        self.writer = self.index.writer(num_threads=1)
        self.lock = threading.Lock()

    def update(self, body, kind, query):
        with self.lock:
            if "json" in kind:
                for document in json.loads(body):
                    self.writer.delete_documents("id", document["id"])
                    self.writer.add_document(tantivy.Document(**document))
            elif body:
                for change in [tree := ElementTree.fromstring(body), *tree]:
                    if change.tag == "id":
                        self.writer.delete_documents("id", change.text)
                    elif change.tag == "query":
                        self.writer.delete_documents_by_query(self.index.parse_query(change.text, ["t"]))
            is_commit = body.strip().startswith(b"<commit")
            if is_commit or any(query.get(name) == ["true"] for name in ("commit", "softCommit")):
                self.writer.commit()
                self.index.reload()
        return {"responseHeader": {"status": 0, "QTime": 1}}

    def select(self, query):
        asked = [query.get("q", ["*:*"])[-1], *query.get("fq", [])]
        text = " AND ".join("*" if one == "*:*" else f"({one})" for one in asked)
        try:
            parsed = self.index.parse_query(text, ["t"])
        except ValueError as error:
            return 400, {"responseHeader": {"status": 400, "QTime": 0}, "error": {"msg": str(error), "code": 400}}
        with self.lock:
            searcher = self.index.searcher()
        field, _, order = query.get("sort", ["n asc"])[-1].partition(" ")
        order = tantivy.Order.Asc if order == "asc" else tantivy.Order.Desc
        start, rows = int(query.get("start", ["0"])[-1]), int(query.get("rows", ["10"])[-1])
        result = searcher.search(parsed, limit=max(rows, 1), offset=start, order_by_field=field, order=order)
        fields = query["fl"][-1].split(",") if "fl" in query else FIELDS
        documents = [searcher.doc(address).to_dict() for _, address in result.hits[:rows]]
        documents = [{name: doc[name][0] for name in fields if name in doc} for doc in documents]
        found = {"numFound": result.count, "start": start, "numFoundExact": True, "docs": documents}
        return 200, {"responseHeader": {"status": 0, "QTime": 1}, "response": found}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    index = None

    def answer(self):
        address = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(address.query)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        status, said = 404, {"responseHeader": {"status": 404, "QTime": 0}}
        if re.fullmatch(r"/solr/shop/update(/json(/docs)?)?/?", address.path):
            status, said = 200, self.index.update(body, kind, query)
        elif re.fullmatch(r"/solr/shop/select/?", address.path):
            form = urllib.parse.parse_qs(body.decode()) if "form" in kind else {}
            status, said = self.index.select({**query, **form})
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def main():
    Handler.index = Index()
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
