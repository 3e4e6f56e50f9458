"""A steady load over the nodes by tests/load/load.c, counted at both ends: what the clients got, and what the replicas received."""
import collections
import itertools
import os
import sys
import tempfile
import time

from swarm import IS_FULL, NODES, PEERS, RECEIVED, ROOT, deploy_peers

sys.path.insert(0, f"{ROOT}/tests/load")

import load  # noqa: E402

RATE = 1000 if IS_FULL else 300  # requests per second over all nodes
numbers = itertools.count(1)
IDS = 10_000_000  # for each process of the load

Request = collections.namedtuple("Request", "id node due result ms")


class Load:
    """Everything that did not end with 200 is a failure: what a user would see as an error is an error here."""

    def __init__(self, path="/patient/7", nodes=tuple(NODES), rate=RATE, port=80, **options):
        self.path, self.nodes, self.rate, self.port, self.options = path, nodes, rate, port, options
        self.requests, self.results = None, None

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="swarm-load.")
        self.began = time.time() + 0.1  # load.c connects first
        self.numbers = {node: next(numbers) for node in self.nodes}
        self.loads = {node: load.Load(f"http://{NODES[node]}:{self.port}{self.path}", rate=self.rate / len(self.nodes), seconds=1000,
                                      connections=20, first=self.numbers[node] * IDS, log=f"{self.folder.name}/{node}",
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

    def owns(self, id):
        return id // IDS in self.numbers.values()

    def node_of(self, id):
        return next(node for node, number in self.numbers.items() if number == id // IDS)

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


class Beside:
    """The same for haproxy and nginx at the same time, where they are there, at a third of the rate."""

    def __init__(self, *arguments, **options):
        if IS_FULL:
            deploy_peers()
        self.loads = {name: Load(*arguments, **{"rate": RATE / 3, "port": port, **options})
                      for name, port in PEERS.items()} if IS_FULL else {}

    def __enter__(self):
        for one in self.loads.values():
            one.__enter__()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        for one in self.loads.values():
            one.__exit__()

    def figures(self, more=lambda load: ""):
        return [f"{name}: {one.figure()}{more(one)}" for name, one in self.loads.items()]


def records():
    """(replica, id or "stop", time) of what the replicas wrote, be they alive or not: see deploy/hospital/service.c."""
    for name in os.listdir(RECEIVED):
        if "." in name:
            with open(f"{RECEIVED}/{name}") as file:
                for line in file:
                    if line.endswith("\n"):
                        what, moment = line.split()
                        yield name, what, float(moment)


def received(load):
    """[(id, time, replica)] of those requests of the load of which a byte reached a replica."""
    return [(int(what), moment, name) for name, what, moment in records()
            if what != "stop" and moment >= load.began and load.owns(int(what))]


def stops(load):
    """{replica: when it got its SIGTERM} for those that got one since the load began."""
    return {name: moment for name, what, moment in records() if what == "stop" and moment >= load.began}


def last_received(load):
    """{(node, replica): when the replica got its last request from that node's gateway}."""
    last = {}
    for id, moment, name in received(load):
        last[load.node_of(id), name] = max(moment, last.get((load.node_of(id), name), 0))
    return last


def first_received(load, replica):
    """When the replica got its first request of the load, or None."""
    return min((moment for _, moment, name in received(load) if name == replica), default=None)
