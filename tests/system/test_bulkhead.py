"""The queue before an upstream: how many are in, how many wait, who is next, and what becomes of those that wait in vain."""
import signal
import threading
import time

import pytest

from harness import Client, failing, plain, until

FALLBACK = "Patient information is currently unavailable\n"


class Gate:
    """A handler that holds each request until it is let through; knows how many it holds at once."""

    def __init__(self):
        self.lock, self.places = threading.Lock(), threading.Semaphore(0)
        self.inside = self.most_inside = 0

    def __call__(self, connection, request):
        with self.lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        self.places.acquire(timeout=60)
        with self.lock:
            self.inside -= 1
        connection.reply(body=request.target.encode())

    def open(self, count=1):
        self.places.release(count)


@pytest.fixture
def gate():
    opened = Gate()
    yield opened
    opened.open(10000)


@pytest.fixture
def serve(gateway, upstream):
    def start(handler, workers=4, breaker=None, **bulkhead):
        bulkhead.setdefault("max_wait", "1m")
        keys = {"patient": {"url": upstream(handler, backlog=1024), "bulkhead": bulkhead, "retry": {"attempts": 0},
                            "timeouts": {"response": "1m"}, "breaker": breaker or {}}}
        return gateway(keys, [{"path": "/", "fallback": FALLBACK}], workers=workers)

    return start


def look(started):
    return started.admin("/upstreams")["upstreams"][0]["bulkhead"]


def wait_for(started, **figures):
    until(lambda: figures.items() <= look(started).items(), f"{figures}, there are {look(started)}")


def ask(started, target="/", **request):
    connection = Client(started.port)
    connection.ask(target=target, **request)
    return connection


def is_overloaded(response):
    return (response.status == 503 and response.body == FALLBACK.encode() and response.get("Retry-After") == "1" and
            "error=connection_limit_reached" in response.get("Proxy-Status"))


def test_so_many_are_in_and_so_many_wait(serve, gate):
    started = serve(gate, max_in_flight=3, max_waiting=4)
    first = [ask(started) for _ in range(7)]
    wait_for(started, inFlight=3, waiting=4)
    until(lambda: gate.inside == 3, "all three are in the upstream")
    for _ in range(20):
        assert is_overloaded(ask(started).answer())
    gate.open(7)
    assert [connection.answer().status for connection in first] == [200] * 7
    assert gate.most_inside == 3
    wait_for(started, inFlight=0, waiting=0, waited=4, rejected=20)
    lines = started.log(27)
    assert sorted(line["outcome"] for line in lines) == ["answered"] * 7 + ["overloaded"] * 20
    assert sum(1 for line in lines if "waited_ms" in line) == 4
    metrics = started.metrics()
    assert metrics.sum("gateway_bulkhead_rejected_total") == 20 and metrics.sum("gateway_bulkhead_waited_total") == 4
    assert metrics.sum("gateway_bulkhead_waiting") == 0


@pytest.mark.parametrize("workers", [1, 4])
def test_the_oldest_goes_first_whichever_worker_it_waits_in(serve, gate, workers):
    started = serve(gate, workers, max_in_flight=1)
    waiting = [ask(started, "/0")]
    until(lambda: gate.inside == 1)
    for number in range(1, 24):
        waiting.append(ask(started, f"/{number}"))
        wait_for(started, waiting=number)
    for number, connection in enumerate(waiting):
        gate.open()
        assert connection.answer().body == f"/{number}".encode()


def test_a_client_that_waited_too_long_gets_the_fallback(serve, gate):
    started = serve(gate, max_in_flight=1, max_wait="150ms", breaker={"minimum_calls": 3})
    inside = ask(started)
    wait_for(started, inFlight=1)
    began = time.monotonic()
    waiting = [ask(started) for _ in range(6)]
    assert all(is_overloaded(connection.answer()) for connection in waiting)
    assert time.monotonic() - began > 0.14
    lines = started.log(6)
    assert {line["outcome"] for line in lines} == {"overloaded"} and all(line["waited_ms"] >= 149 for line in lines)
    assert {line["reason"] for line in lines} == {"no place in the bulkhead within max_wait"}
    assert started.breaker()["bufferedCalls"] == 0, "it says nothing about the upstream"
    wait_for(started, waiting=0, rejected=6)
    gate.open()
    assert inside.answer().status == 200


@pytest.mark.parametrize("workers", [1, 4])
def test_when_overload_begins_the_oldest_have_to_go(serve, gate, workers):
    """It is overload when the queue has been long for a while and two places and a quarter of eight more have come since."""
    started = serve(gate, workers, max_in_flight=2, max_waiting=8)  # a while is 1.9 s
    asked = []
    for number, pause_s in enumerate([0, 0, 0, 0, 0, 2, 0, 0, 0, 0]):
        time.sleep(pause_s)
        asked.append(ask(started, f"/{number}"))
        wait_for(started, inFlight=min(2, number + 1), waiting=max(0, number - 1))
    gate.open(3)
    answers = [connection.answer() for connection in asked]
    assert [answer.status for answer in answers] == [200, 200] + [503] * 7 + [200]
    assert all(is_overloaded(answer) for answer in answers if answer.status == 503)
    reasons = [line.get("reason") for line in started.log(10)]
    assert reasons.count("waited longest when overload began") == 7 and reasons.count(None) == 3
    wait_for(started, inFlight=0, waiting=0, waited=1, rejected=7)


def test_nobody_waits_when_nobody_may(serve, gate):
    started = serve(gate, max_in_flight=1, max_waiting=0)
    inside = ask(started)
    wait_for(started, inFlight=1)
    assert is_overloaded(ask(started).answer())
    gate.open()
    assert inside.answer().status == 200


def test_a_client_that_leaves_makes_room(serve, gate):
    started = serve(gate, max_in_flight=1, max_waiting=3)
    inside = ask(started)
    wait_for(started, inFlight=1)
    leaving, staying = [ask(started) for _ in range(2)], ask(started)
    wait_for(started, waiting=3)
    for connection in leaving:
        connection.reset()
    wait_for(started, waiting=1)
    assert [line["outcome"] for line in started.log(2)] == ["client_aborted"] * 2
    gate.open(2)
    assert inside.answer().status == staying.answer().status == 200
    wait_for(started, inFlight=0, waiting=0)


@pytest.mark.parametrize("size", [10, 300000])
def test_a_body_waits_with_its_request(serve, upstream, gate, size):
    seen = []

    def handler(connection, request):
        seen.append(request.body)
        gate(connection, request)

    started = serve(handler, max_in_flight=1)
    body = bytes(range(256)) * (size // 256 + 1)
    inside = ask(started)
    wait_for(started, inFlight=1)
    waiting = Client(started.port)
    sender = threading.Thread(target=waiting.ask, args=("POST", "/post"), kwargs={"body": body})
    sender.start()
    wait_for(started, waiting=1)
    gate.open(2)
    assert inside.answer().status == waiting.answer().status == 200
    sender.join()
    assert seen[-1] == body


def test_an_open_breaker_sends_those_away_that_wait(serve, gate):
    started = serve(gate, max_in_flight=1, breaker={"open_for": "60s"})
    inside = ask(started)
    wait_for(started, inFlight=1)
    waiting = [ask(started) for _ in range(12)]
    wait_for(started, waiting=12)
    started.force("FORCE_OPEN")
    answers = [connection.answer() for connection in waiting]
    assert all("the breaker is open" in answer.get("Proxy-Status") for answer in answers)
    assert [line["outcome"] for line in started.log(12)] == ["breaker_open"] * 12
    gate.open()
    assert inside.answer().status == 200


def test_no_probe_of_a_half_open_breaker_waits(serve, gate):
    handlers = {"/held": gate, "/bad": failing, "/good": plain}
    started = serve(lambda connection, request: handlers[request.target](connection, request), max_in_flight=3,
                    breaker={"minimum_calls": 2, "open_for": "200ms", "half_open_calls": 3})
    held, other = [ask(started, "/held") for _ in range(2)], Client(started.port)
    wait_for(started, inFlight=2)
    assert [other.request(target="/bad").status for _ in range(2)] == [500] * 2
    until(lambda: other.request(target="/good").status == 200, "the first probe")
    held.append(ask(started, "/held"))
    wait_for(started, inFlight=3)
    # One probe is left. Each of these asked for it, and gave it back before it began to wait: one after the other, as two that ask
    # at once may meet there.
    waiting = []
    for count in range(1, 5):
        waiting.append(ask(started, "/good"))
        wait_for(started, waiting=count)
    gate.open(3)
    assert [connection.answer().status for connection in held] == [200] * 3
    until(lambda: other.request(target="/good").status == 200, "closed")
    statuses = [connection.answer().status for connection in waiting]
    assert 200 in statuses and set(statuses) <= {200, 503}
    assert started.breaker()["state"] == "CLOSED"


def test_waiting_requests_get_the_places_that_a_reload_makes(serve, gate):
    """A request in flight may hang for long, and while any request waits, new ones must wait behind it."""
    started = serve(gate, max_in_flight=1)
    waiting = [ask(started) for _ in range(9)]
    wait_for(started, inFlight=1, waiting=8)
    tree = started.admin("/upstreams")["upstreams"][0]
    started.configure({"patient": {"url": tree["url"], "bulkhead": {"max_in_flight": 5}}})
    assert "taken" in started.reload() or started.metrics().sum("gateway_reloads_total", result="taken") == 1
    wait_for(started, inFlight=5, waiting=4, waited=4)
    more = [ask(started) for _ in range(4)]
    wait_for(started, inFlight=5, waiting=8)
    until(lambda: gate.inside == 5, "all five are in the upstream")
    gate.open(13)
    assert [connection.answer().status for connection in waiting + more] == [200] * 13
    assert gate.most_inside == 5
    wait_for(started, inFlight=0, waiting=0)


def test_a_reload_that_takes_the_upstream_away_while_some_wait(serve, gate, upstream):
    started = serve(gate, max_in_flight=1)
    waiting = [ask(started) for _ in range(9)]
    wait_for(started, inFlight=1, waiting=8)
    started.configure({"reception": upstream(plain)})
    started.reload()
    until(lambda: [one["name"] for one in started.admin("/upstreams")["upstreams"]] == ["reception"], "it is gone")
    assert ask(started).answer().body == b"ok"
    waiting.pop().reset()
    gate.open(9)
    assert [connection.answer().status for connection in waiting] == [200] * 8


def test_a_drain_serves_those_that_wait(serve, gate):
    started = serve(gate, max_in_flight=2)
    waiting = [ask(started) for _ in range(10)]
    wait_for(started, inFlight=2, waiting=8)
    started.signal(signal.SIGTERM)
    until(lambda: started.has_said("drain"), "draining")
    gate.open(10)
    answers = [connection.answer() for connection in waiting]
    assert [answer.status for answer in answers] == [200] * 10
    assert started.wait() == 0


def test_the_end_of_the_drain_ends_those_that_wait(serve, gate):
    started = serve(gate, max_in_flight=1)
    waiting = [ask(started) for _ in range(10)]
    wait_for(started, waiting=9)
    started.signal(signal.SIGTERM)
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    assert all(connection.is_closed() for connection in waiting)
    assert [line["outcome"] for line in started.log(10)] == ["drained"] * 10


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("workers", [1, 4])
def test_nobody_is_forgotten(serve, workers, leaves):
    """Many come, wait, leave and give up at once, over and over: never more than three are in, and all get an answer."""
    lock, inside, most, left = threading.Lock(), [0], [0], [0]

    def handler(connection, request):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.0005)
        with lock:
            inside[0] -= 1
        plain(connection, request)

    started = serve(handler, workers, max_in_flight=3, max_waiting=40)
    statuses, count = [], 120

    def come_and_go(number):
        connection = Client(started.port)
        for turn in range(count):
            if leaves and (number + turn) % 7 == 0:
                connection.ask()
                connection.reset()
                with lock:
                    left[0] += 1
                connection = Client(started.port)
            else:
                statuses.append(connection.request().status)

    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # On a slow machine the queue may stand for so long that the bulkhead takes it for overload, and a client may leave before it reads the 503.
    told = {line["outcome"] for line in started.log() if line["status"] == 503}
    assert told <= ({"overloaded", "client_aborted"} if leaves else {"overloaded"})
    assert set(statuses) <= {200, 503} and statuses.count(200) > len(statuses) / 10
    assert len(statuses) + left[0] == 32 * count
    assert most[0] == 3  # the place of a client that left is nobody's while the upstream still works for it
    wait_for(started, inFlight=0, waiting=0)
    assert look(started)["waited"] > 100
