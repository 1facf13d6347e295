"""How often an LRU of each of these sizes answers, by libcachesim: a list of numbers as JSON.

usage: lru.py entries|bytes FILE SIZE…   where each line of FILE is a key, a tab and its bytes
"""

import json
import sys

import libcachesim

what, path, sizes = sys.argv[1], sys.argv[2], [int(size) for size in sys.argv[3:]]
numbers = {}
requests = []
for line in open(path, encoding="latin-1", newline="\n"):
    key, size = line.rstrip("\n").rsplit("\t", 1)
    requests.append((numbers.setdefault(key, len(numbers) + 1), 1 if what == "entries" else int(size)))

hits = []
for size in sizes:
    cache = libcachesim.LRU(cache_size=size)
    request = libcachesim.Request()
    count = 0
    for request.obj_id, request.obj_size in requests:
        count += cache.get(request)
    hits.append(count)
print(json.dumps(hits))
