"""The breaker as a weapon: what clients do by themselves neither opens it nor keeps it open, nor does it eject anybody."""
import select
import threading

import pytest

from harness import Client, failing, plain, until

FALLBACK = "Patient information is currently unavailable\n"
HEAD = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
SLOW = HEAD + b"Content-Length: 100000\r\n\r\nhello"


def read_then_reply(connection, request):
    connection.read_body(request)
    connection.reply()


def serve(gateway, behind, breaker=None, timeouts=None, **keys):
    return gateway({"patient": {"url": behind, "timeouts": timeouts or {}, "retry": {"attempts": 0}, "ejection": {"consecutive_failures": 1},
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


# The bytes that a client sends, its next step once the upstream has the beginning of it (None: it has not), and how that ends.
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
def test_abuse_by_clients_is_neither_success_nor_failure(gateway, upstream, abuse):
    sent, then, outcome = ABUSES[abuse]
    released = threading.Event()
    behind = upstream(lambda connection, request: released.wait(30), whole=False)
    started = serve(gateway, behind, limits={"body_timeout": "200ms" if outcome == "request_timeout" else "60s"})
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
def test_an_incomplete_request_says_nothing_of_the_upstream(gateway, upstream, sent, then, status, outcome):
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


@pytest.mark.parametrize("end", [lambda connection: connection.reply(500), lambda connection: connection.reset(),
                                 lambda connection: connection.close()], ids=["500", "reset", "FIN"])
def test_an_upstream_that_ends_an_upload_is_no_failure_however_fast_it_comes(gateway, upstream, end):
    """As a service that allows a request a few seconds."""
    def give_up(connection, request):
        connection.read(200000)
        end(connection)

    started = serve(gateway, upstream(give_up, whole=False))
    for _ in range(6):
        connection = Client(started.port)
        connection.send(HEAD + b"Content-Length: 1000000\r\n\r\n" + bytes(200000))
        assert connection.answer().status in (500, 503)
    assert {line["outcome"] for line in started.log(6)} <= {"answered_failure", "upstream_reset"}
    expect_nothing_counted(started)


def test_a_small_body_is_read_before_it_takes_a_place(gateway, upstream):
    behind = upstream()
    started = gateway({"patient": {"url": behind, "bulkhead": {"max_in_flight": 1, "max_waiting": 0}}})
    slow = [Client(started.port) for _ in range(4)]
    for connection in slow:
        connection.send(HEAD + b"Content-Length: 10\r\n\r\nhello")
    assert Client(started.port).request().status == 200
    assert len(behind.requests) == 1
    for connection in slow:
        # A client may have its answer before the place is free for the next one.
        until(lambda: started.metrics().sum("gateway_bulkhead_in_flight") == 0, "the place is free")
        connection.send("world")
        assert connection.answer().status == 200
    assert [request.body for request in behind.requests[1:]] == [b"helloworld"] * 4


@pytest.mark.parametrize("sent", [CHUNKED, SLOW + bytes(1000)], ids=["chunked", "with a length"])
def test_slow_uploads_that_hold_all_threads_give_way(gateway, upstream, sent):
    """Before anybody's time is over."""
    threads = threading.Semaphore(4)

    def handler(connection, request):
        with threads:
            read_then_reply(connection, request)

    behind = upstream(handler, whole=False)
    started = gateway({"patient": {"url": behind, "timeouts": {"connect": "200ms", "response": "1m", "total": "2m"}}}, workers=4)
    slow = [Client(started.port) for _ in range(8)]
    for number, connection in enumerate(slow):
        connection.send(sent)
        behind.wait_for(number + 1)
    asking = [Client(started.port) for _ in range(24)]
    for connection in asking:
        connection.ask()
    assert [connection.answer().status for connection in asking] == [200] * 24
    assert started.metrics().sum("gateway_connections_shed_total", reason="slow") >= 5
    assert started.breaker()["failedCalls"] == 0


def test_slow_uploads_give_way_when_a_request_has_timed_out(gateway, upstream):
    """One that nobody follows is no evidence by itself; that it timed out is."""
    threads = threading.Semaphore(1)

    def handler(connection, request):
        with threads:
            read_then_reply(connection, request)

    behind = upstream(handler, whole=False)
    started = gateway({"patient": {"url": behind, "retry": {"attempts": 0}, "timeouts": {"connect": "200ms", "response": "1s"}}})
    slow = Client(started.port)
    slow.send(CHUNKED)
    behind.wait_for(1)
    assert Client(started.port).request().status == 503
    assert Client(started.port).request().status == 200
    assert slow.is_closed()


def test_a_client_that_goes_on_late_is_answered(gateway, upstream):
    """timeouts.response runs while the upstream has something to do."""
    def answer(connection, request):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.read_body(request)
        connection.reply()

    started = gateway({"patient": {"url": upstream(answer, whole=False), "timeouts": {"response": "1s"}}})
    connection = Client(started.port)
    connection.send(EXPECTING)
    threading.Event().wait(1.5)
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
    # A call is counted a little after its client has the answer.
    until(lambda: started.breaker()["state"] == "OPEN" or started.breaker()["bufferedCalls"] == 100, "all are counted")
    assert started.breaker()["state"] == state


# ---- a half-open breaker's verdict waits for no client ------------------------------------------------------------------

HALF_OPEN = {"open_for": "300ms", "half_open_calls": 3, "half_open_timeout": "60s"}


def serve_half_open(gateway, behind, handler, **keys):
    """The service was down, and is back."""
    behind.handler, behind.whole = failing, False
    started = serve(gateway, behind, breaker=HALF_OPEN, **keys)
    for _ in range(3):
        Client(started.port).request()
    until(lambda: started.breaker()["state"] == "OPEN", "open")
    behind.handler = handler
    return started


def send_when_half_open(behind, send):
    """Three that reach the upstream, and are not refused before it is half-open."""
    arrived = []

    def try_one():
        there, connection = len(behind.requests), send()
        until(lambda: len(behind.requests) > there or select.select([connection.socket], [], [], 0)[0], "the upstream, or a refusal")
        if len(behind.requests) > there:
            arrived.append(connection)
        return len(arrived) == 3

    until(try_one, "three at the upstream")
    return arrived


def expect_the_next_three_to_close_it(started):
    for _ in range(3):
        assert Client(started.port).request().status == 200
    until(lambda: started.breaker()["state"] == "CLOSED", "the verdict")


@pytest.mark.parametrize("way", ["one burst", "drop by drop"])
def test_slow_uploads_do_not_keep_it_half_open(gateway, upstream, way):
    """They take no probe's place, and are served all the same."""
    behind = upstream()
    started = serve_half_open(gateway, behind, read_then_reply, workers=2)

    def send():
        connection = Client(started.port)
        connection.send(SLOW)
        return connection

    slow = send_when_half_open(behind, send)
    figures = started.breaker()
    assert figures["state"] == "HALF_OPEN" and "before half_open_calls have ended: 0 of 3" in figures["note"]
    stop = threading.Event()

    def drip():
        while not stop.wait(0.01):
            for connection in slow:
                try:
                    connection.send(b"x" * 56)  # 5,600 bytes a second
                except OSError:
                    pass

    dripping = threading.Thread(target=drip)
    if way == "drop by drop":
        dripping.start()
    expect_the_next_three_to_close_it(started)
    stop.set()
    if way == "one burst":
        for connection in slow:
            connection.send(bytes(100000 - 5))
            assert connection.answer().status == 200


@pytest.mark.parametrize("named", [False, True], ids=["by their address", "by what a trusted proxy says"])
def test_clients_that_cancel_do_not_keep_it_half_open(gateway, upstream, named):
    """They cancelled all probes, so their next requests are none: those of others are."""
    released = threading.Event()

    def answer(connection, request):
        if request.target == "/slow":
            released.wait(30)
        connection.reply()

    behind = upstream()
    started = serve_half_open(gateway, behind, answer, trusted_proxies=["127.0.0.1"] if named else [], workers=2)

    def send():
        connection = Client(started.port, source=None if named else "127.0.0.2")
        connection.ask(target="/slow", headers={"X-Forwarded-For": "192.0.2.9"} if named else {})
        return connection

    for connection in send_when_half_open(behind, send):
        connection.reset()
    until(lambda: [line["outcome"] for line in started.log()].count("client_aborted") >= 3, "they are gone")
    again = send_when_half_open(behind, send)
    expect_the_next_three_to_close_it(started)
    released.set()
    assert all(connection.answer().status == 200 for connection in again)


def test_slow_readers_do_not_keep_it_half_open(gateway, upstream):
    def answer(connection, request):
        connection.reply(body=bytes(8 << 20 if request.target == "/large" else 2))

    behind = upstream()
    started = serve_half_open(gateway, behind, answer, timeouts={"response": "60s"}, workers=2)

    def send():
        connection = Client(started.port, receive_buffer=4096)
        connection.ask(target="/large")
        return connection

    readers = send_when_half_open(behind, send)
    until(lambda: started.breaker()["state"] == "CLOSED", "their heads came in time")
    assert all(reader.answer().status == 200 for reader in readers)
