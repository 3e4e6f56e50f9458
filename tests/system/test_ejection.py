"""One broken replica among several, with the default configuration: how many requests it costs, and that the breaker of the
whole service stays closed."""
import threading
import time

import pytest

from harness import Client, closing, failing, resetting, until
from test_endpoints import ONE, THREE, TWO, FALLBACK, names_itself, service  # noqa: F401

REPLICAS = [ONE, TWO, THREE]
EJECTED_AFTER = 5  # ejection.consecutive_failures
MINIMUM_CALLS = 20  # breaker.minimum_calls


@pytest.fixture
def serve(gateway, service):  # noqa: F811
    """serve(replicas, how the first is broken): a gateway that has found them. Nothing else is said, so all is default."""
    def start(count, broken, workers=2, **keys):
        if broken is not None:
            service.start(ONE, handler=broken)
        service.start(*REPLICAS[1:count])
        service.announce(*REPLICAS[:count])
        started = gateway(service.keys(**keys), [{"path": "/", "fallback": FALLBACK}], workers=workers,
                          dns={"servers": [f"127.0.0.1:{service.dns.port}"], "refresh": "100ms", "timeout": "5s"})
        until(lambda: len(started.endpoints()) == count, "all are found")
        return started

    return start


class Load:
    """Clients that ask again as soon as they are answered, or `pause` seconds later, until stop()."""

    def __init__(self, gateway, clients=8, pause=0, **request):
        self.answers, self.stopping, self.pause = [], threading.Event(), pause
        self.threads = [threading.Thread(target=self.ask, args=(Client(gateway.port), request)) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def ask(self, connection, request):
        while not self.stopping.is_set():
            began = time.monotonic()
            status = connection.request(**request).status
            self.answers.append((status, time.monotonic() - began))
            if self.pause:
                time.sleep(self.pause)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return self.answers

    def failed(self):
        return sum(1 for status, _ in self.answers if status != 200)


def endpoint_of(started, address):
    found = started.admin("/upstreams")["upstreams"][0]["endpoints"]
    return next(one for one in found if one["address"].startswith(address + ":"))


def expect_closed(started):
    assert not started.has_said("closed -> open") and started.breaker()["state"] == "CLOSED"


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("count", [2, 3])
def test_statuses_cost_exactly_so_many_whatever_the_number_of_workers(serve, service, workers, count):  # noqa: F811
    started = serve(count, failing, workers)
    connections = [Client(started.port) for _ in range(12)]
    statuses = [connection.request().status for _ in range(20) for connection in connections]
    assert statuses.count(500) == EJECTED_AFTER == len(service.replicas[ONE].requests)
    assert endpoint_of(started, ONE)["ejections"] == 1
    expect_closed(started)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("broken", [failing, resetting, closing, None])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_under_load(serve, service, broken, method, count):  # noqa: F811
    """Requests in flight when it is ejected may fail as well, but not open the breaker. None: nobody listens there."""
    started = serve(count, broken and names_itself)
    load = Load(started, clients=24, method=method, body=b"x" if method == "POST" else b"")
    until(lambda: len(load.answers) >= 300, "300: retries are a share of them")
    if broken:
        service.replicas[ONE].handler = broken
    until(lambda: endpoint_of(started, ONE)["ejections"], "ejection")
    enough = len(load.answers) + 300
    until(lambda: len(load.answers) >= enough, "300 more")
    load.stop()
    print(f"{load.failed()} of {len(load.answers)} failed")
    if broken is None or (broken is not failing and method == "GET"):
        assert load.failed() == 0
    assert load.failed() <= EJECTED_AFTER + 24
    expect_closed(started)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("broken", [failing, resetting, closing, None])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_all_broken_open_it_although_some_rest(serve, service, broken, method, count):  # noqa: F811
    """The last that was tried may be one that rests; who serves in its place has failed as well."""
    started = serve(count, broken and names_itself)
    for address in REPLICAS[:count]:
        if broken:
            service.replicas[address].handler = broken
        elif address in service.replicas:
            service.replicas[address].stop()
    connection = Client(started.port)
    for _ in range(40):
        connection.request(method=method, body=b"x" if method == "POST" else b"")
    outcomes = [line["outcome"] for line in started.log(40)]
    print(outcomes.count("breaker_open"), [endpoint_of(started, address)["ejections"] for address in REPLICAS[:count]])
    assert any(endpoint_of(started, address)["ejections"] for address in REPLICAS[:count])
    assert MINIMUM_CALLS <= outcomes.index("breaker_open") <= MINIMUM_CALLS + 5
    until(lambda: started.has_said("closed -> open"), "the log says so")


@pytest.mark.parametrize("balance", ["least_request", "round_robin"])
def test_a_replica_that_hangs_costs_no_more(serve, service, balance):  # noqa: F811
    """Long before the first of them times out, no more requests are sent there; those that were go elsewhere then."""
    release = threading.Event()
    started = serve(3, lambda connection, request: release.wait(60), balance=balance)
    load = Load(started)
    try:
        until(lambda: endpoint_of(started, ONE)["ejections"], "ejection", 30)
    finally:
        load.stop()
        release.set()
    waited = sorted(took for _, took in load.answers)
    print(f"{load.failed()} of {len(load.answers)} failed, {len(service.replicas[ONE].requests)} reached the replica that "
          f"hangs, median {waited[len(waited) // 2] * 1000:.1f} ms")
    assert load.failed() == 0 and len(load.answers) > 100
    # The two workers may both see four and choose it.
    assert len(service.replicas[ONE].requests) <= EJECTED_AFTER + 1
    assert sum(1 for took in waited if took > 4.9) <= EJECTED_AFTER + 1
    expect_closed(started)


def test_a_post_that_hangs_is_not_sent_again(serve, service):  # noqa: F811
    release = threading.Event()
    started = serve(3, lambda connection, request: release.wait(60), timeouts={"response": "2s"})
    load = Load(started, pause=0.01, method="POST", body=b"x")
    until(lambda: endpoint_of(started, ONE)["ejections"], "ejection", 30)
    load.stop()
    release.set()
    assert {line["attempts"] for line in started.log(len(load.answers))} == {1}
    assert load.failed() == len(service.replicas[ONE].requests) <= EJECTED_AFTER + 1
    assert {line["outcome"] for line in started.log() if line["status"] != 200} == {"response_timeout"}
    expect_closed(started)


def test_clients_that_upload_slowly_silence_nobody(serve, service):  # noqa: F811
    """Ten that send a byte now and then would otherwise keep all but one replica from serving."""
    started = serve(2, names_itself)
    slow = [Client(started.port) for _ in range(20)]
    for connection in slow:
        connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx")
    until(lambda: sum(endpoint_of(started, address)["inFlight"] for address in (ONE, TWO)) == 20, "all are there")
    # Whatever these are, the last that came were uploads, at both; requests that are whole go to both.
    connection = Client(started.port)
    assert {connection.request().body for _ in range(40)} == {ONE.encode(), TWO.encode()}
    for connection in slow:
        connection.send(b"x" * 99999)
    assert {connection.answer().status for connection in slow} == {200}


def test_a_replica_that_hung_is_used_again(serve, service):  # noqa: F811
    release = threading.Event()

    def hang(connection, request):
        release.wait(60)
        connection.close()

    started = serve(2, hang, timeouts={"response": "1s"}, ejection={"for": "300ms"})
    load = Load(started)
    until(lambda: endpoint_of(started, ONE)["ejections"], "ejection", 30)
    release.set()
    service.replicas[ONE].handler = names_itself
    before = len(service.replicas[ONE].requests)
    until(lambda: len(service.replicas[ONE].requests) > before + 100, "it serves again", 30)
    load.stop()
    assert load.failed() == 0
