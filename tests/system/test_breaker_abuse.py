"""The breaker as a weapon: what clients do by themselves neither opens it nor keeps it open, nor does it eject anybody."""
import threading

import pytest

from harness import Client, failing, plain, until

FALLBACK = "Patient information is currently unavailable"
HEAD = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
SLOW = HEAD + b"Content-Length: 100000\r\n\r\nhello"


def read_then_reply(connection, request):
    connection.read_body(request)
    connection.reply()


def serve(gateway, behind, breaker=None, **keys):
    return gateway({"patient": {"url": behind, "retry": {"attempts": 0}, "ejection": {"consecutive_failures": 1},
                                "breaker": {"minimum_calls": 3, **(breaker or {})}}},
                   [{"path": "/", "fallback": FALLBACK, "request_body": "1MiB"}], **keys)


def expect_nothing_counted(started):
    """Neither by the breaker nor against the endpoint."""
    breaker = started.breaker()
    assert (breaker["state"], breaker["bufferedCalls"], breaker["failedCalls"]) == ("CLOSED", 0, 0)
    (endpoint,) = started.admin("/upstreams/patient")["endpoints"]
    assert endpoint["failures"] == 0


def leave(connection):
    connection.reset()


def say_nothing(connection):
    pass


# What a client sends, what it does once the upstream has the beginning of it (None: it has not), and how that ends.
ABUSES = {
    "refused": (b"GET / HTTP/1.1\r\n\r\n", None, "request_refused"),
    "refused in mid-body": (CHUNKED, lambda connection: connection.send("0x5\r\n"), "request_refused"),
    "too large": (HEAD + b"Content-Length: 1048577\r\n\r\n", None, "request_too_large"),
    "too large in mid-body": (CHUNKED, lambda connection: connection.send(b"100001\r\n" + bytes(0x100001)), "request_too_large"),
    "a body that stops": (SLOW, say_nothing, "request_timeout"),
    "left in mid-body": (SLOW, leave, "client_aborted"),
    "left while it waits": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", leave, "client_aborted"),
    "no such path": (b"GET /../ HTTP/1.1\r\nHost: h\r\n\r\n", None, "request_refused"),
}


@pytest.mark.parametrize("abuse", ABUSES)
def test_what_clients_do_is_neither_success_nor_failure(gateway, upstream, abuse):
    sent, then, outcome = ABUSES[abuse]
    released = threading.Event()
    behind = upstream(lambda connection, request: released.wait(30), whole=False)
    started = serve(gateway, behind, limits={"body_timeout": "200ms"})
    clients = [Client(started.port) for _ in range(6)]
    for number, connection in enumerate(clients):
        connection.send(sent)
        if then is not None:
            behind.wait_for(number + 1)
            try:
                then(connection)
            except OSError:
                pass  # refused before all of it was sent
    assert {line["outcome"] for line in started.log(6)} == {outcome}
    expect_nothing_counted(started)
    released.set()
    behind.handler = read_then_reply
    assert Client(started.port).request().status == 200


EXPECTING = HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"


def tell_to_go_on(connection, released):
    connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    released.wait(30)


def fail(connection, released):
    released.wait(0.8)
    connection.reply(500)


def give_up(connection, released):
    released.wait(0.8)
    connection.close()


@pytest.mark.parametrize("sent,then,status,outcome", [
    (EXPECTING, tell_to_go_on, 408, "request_timeout"),
    (EXPECTING, lambda connection, released: released.wait(30), 503, "response_timeout"),
    (SLOW, fail, 500, "answered_failure"),
    (SLOW, give_up, 503, "upstream_reset"),
], ids=["told to go on", "not told to go on", "the upstream fails", "the upstream gives up"])
def test_whose_request_is_not_whole_says_nothing_of_the_upstream(gateway, upstream, sent, then, status, outcome):
    released = threading.Event()
    behind = upstream(lambda connection, request: then(connection, released), whole=False)
    started = gateway({"patient": {"url": behind, "retry": {"attempts": 0}, "ejection": {"consecutive_failures": 1},
                                   "breaker": {"minimum_calls": 3}, "timeouts": {"response": "1s"}}},
                      limits={"body_timeout": "1500ms"})
    clients = [Client(started.port) for _ in range(6)]
    for connection in clients:
        connection.send(sent)
    assert [connection.answer().status for connection in clients] == [status] * 6
    assert {line["outcome"] for line in started.log(6)} == {outcome}
    expect_nothing_counted(started)
    released.set()


def test_who_goes_on_late_is_answered(gateway, upstream):
    """timeouts.response runs while the upstream has something to do."""
    def answer(connection, request):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.read_body(request)
        connection.reply()

    started = gateway({"patient": {"url": upstream(answer, whole=False), "timeouts": {"response": "300ms"}}})
    connection = Client(started.port)
    connection.send(EXPECTING)
    threading.Event().wait(0.8)
    connection.send("hello")
    assert connection.answer().status == 200


def test_an_end_that_comes_late_is_no_slow_call(gateway, upstream):
    started = serve(gateway, upstream(read_then_reply, whole=False), breaker={"slow_call": "300ms"})
    for _ in range(4):
        connection = Client(started.port)
        connection.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        threading.Event().wait(0.5)
        connection.send("0\r\n\r\n")
        assert connection.answer().status == 200
    assert (started.breaker()["state"], started.breaker()["slowCalls"]) == ("CLOSED", 0)


@pytest.mark.parametrize("bad,state", [(40, "CLOSED"), (60, "OPEN")])
def test_one_bad_url_opens_it_only_by_its_share_of_all_calls(gateway, upstream, bad, state):
    behind = upstream(lambda connection, request: (failing if request.target == "/bad" else plain)(connection, request))
    started = serve(gateway, behind, breaker={"minimum_calls": 100, "window": "100 calls"})
    connection = Client(started.port)
    for number in range(100):
        connection.request(target="/bad" if number * bad % 100 < bad else "/good")
    assert started.breaker()["state"] == state


@pytest.mark.parametrize("way", ["one burst", "drop by drop"])
def test_slow_uploads_do_not_keep_it_half_open(gateway, upstream, way):
    """They took all probes. Who comes next takes one over; the verdict is that of requests that say something."""
    behind = upstream(failing)
    started = serve(gateway, behind, breaker={"open_for": "300ms", "half_open_calls": 3, "half_open_timeout": "60s"}, workers=1)
    for _ in range(3):
        Client(started.port).request()
    assert started.breaker()["state"] == "OPEN"
    behind.handler, behind.whole = read_then_reply, False
    before, slow = len(behind.requests), []

    def take_all_probes():
        connection = Client(started.port)
        connection.send(SLOW)
        slow.append(connection)
        return len(behind.requests) - before == 3

    until(take_all_probes, "three slow uploads that are probes")
    assert started.breaker()["state"] == "HALF_OPEN"
    stop = threading.Event()

    def drip():
        while not stop.wait(0.1):
            for connection in slow:
                try:
                    connection.send(b"x")
                except OSError:
                    pass

    dripping = threading.Thread(target=drip)
    if way == "drop by drop":
        dripping.start()
    connection = Client(started.port)
    until(lambda: connection.request().status == 200, "a probe that is no slow upload")
    until(lambda: connection.request().status == 200 and started.breaker()["state"] == "CLOSED", "the verdict")
    stop.set()
    assert started.metrics().sum("gateway_connections_shed_total", reason="slow") == 3
    until(lambda: [line["outcome"] for line in started.log()].count("shed") == 3, "a line for each")
