"""A steady load over the nodes by tests/load/load.c, counted at both ends: what the clients got, and what the replicas received."""
import collections
import itertools
import os
import sys
import tempfile
import time

from swarm import IS_FULL, NODES, RECEIVED, ROOT

sys.path.insert(0, f"{ROOT}/tests/load")

import load  # noqa: E402

RATE = 1000 if IS_FULL else 300  # requests per second over all nodes
numbers = itertools.count(1)

Request = collections.namedtuple("Request", "id node due result ms")


class Load:
    """Everything that did not end with 200 is a failure: what a user would see as an error is an error here."""

    def __init__(self, path="/patient/7", nodes=tuple(NODES), rate=RATE, **options):
        self.path, self.nodes, self.rate, self.options = path, nodes, rate, options
        self.requests, self.results = None, None

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="swarm-load.")
        self.began = time.time() + 0.1  # load.c connects first
        self.loads = {node: load.Load(f"http://{NODES[node]}:80{self.path}", rate=self.rate / len(self.nodes), seconds=1000,
                                      connections=20, first=next(numbers) * 10_000_000, log=f"{self.folder.name}/{node}",
                                      **self.options) for node in self.nodes}
        return self

    def __exit__(self, *_):
        if self.requests is not None:
            return
        for one in self.loads.values():
            one.end()
        self.results = {node: one.result() for node, one in self.loads.items()}
        self.requests = [Request(id, node, self.began + due / 1000, result, took)
                         for node, one in self.loads.items() for id, due, result, _, took in one.records()]
        self.folder.cleanup()
        print(self)

    @property
    def failures(self):
        return [request for request in self.requests if request.result != 200]

    def total(self, what):
        return sum(result[what] for result in self.results.values())

    def of(self, node):
        return sum(request.node == node for request in self.requests)

    def percentile(self, percent):
        times = sorted(request.ms for request in self.requests)
        return times[min(len(times) - 1, len(times) * percent // 100)]

    def count(self):
        return dict(collections.Counter(request.result for request in self.requests))

    def __str__(self):
        return (f"{len(self.requests)} requests: {self.count()}, p50 {self.percentile(50):.1f} ms, "
                f"p99 {self.percentile(99):.1f} ms, longest {self.percentile(100):.0f} ms, "
                f"{self.total('idle_closed')} idle connections closed, {self.total('reconnects')} refused ones tried again")

    def figure(self):
        return (f"{len(self.failures)} of {len(self.requests)} failed, p99 {self.percentile(99):.1f} ms, "
                f"longest {self.percentile(100):.0f} ms")


def records():
    """(replica, id or "stop", time) of what the replicas wrote, be they alive or not: see tests/hospital/service.c."""
    for name in os.listdir(RECEIVED):
        if "." in name:
            with open(f"{RECEIVED}/{name}") as file:
                for line in file:
                    if line.endswith("\n"):
                        what, moment = line.split()
                        yield name, what, float(moment)


def received():
    """[(id, time, replica)] of all requests of which a byte reached a replica."""
    return [(int(what), moment, name) for name, what, moment in records() if what != "stop"]


def received_after_stop(since):
    """{replica: requests that reached it after its SIGTERM} for those that got one since then."""
    stops = {name: moment for name, what, moment in records() if what == "stop" and moment >= since}
    late = dict.fromkeys(stops, 0)
    for _, moment, name in received():
        if name in stops and moment > stops[name]:
            late[name] += 1
    return late


def first_received(replica):
    """When the replica got its first request, or None."""
    try:
        with open(f"{RECEIVED}/{replica}") as file:
            return float(file.readline().split()[1])
    except (OSError, IndexError):
        return None
