"""A second try: what it is made for, what it does not repeat, and that all tries together have one end."""
import socket
import threading
import time

import pytest

from harness import Client, plain, resetting, until
from test_endpoints import FALLBACK, ONE, THREE, TWO, names_itself, serve, service  # noqa: F401

CALM = {"breaker": "off", "ejection": "off"}  # so that only retries are seen


def test_the_last_answer_passes_through_unchanged(service, serve):  # noqa: F811
    def busy(connection, request):
        address = connection.socket.getsockname()[0]
        connection.reply(503, f"busy at {address}".encode(), [("X-From", address), ("Retry-After", "77")], "Quite Busy")

    service.start(ONE, TWO, handler=busy)
    started, connection = serve(ONE, TWO, retry={"attempts": 1, "budget": "100%"}, **CALM)
    for number in range(10):
        response = connection.request(target=f"/{number}")
        line = started.log(number + 1)[-1]
        last = line["endpoint"].split(":")[0]
        assert (line["attempts"], line["outcome"]) == (2, "answered_unavailable")
        assert (response.status, response.reason, response.body) == (503, "Quite Busy", f"busy at {last}".encode())
        assert (response.get("X-From"), response.get("Retry-After")) == (last, "77")
    assert [len(replica.requests) for replica in service.replicas.values()] == [10, 10]


def test_calls_by_whether_they_took_more_than_one_try(service, serve):  # noqa: F811
    def last(connection, request):
        connection.reply(headers=[("Connection", "close")])

    answers = iter([last, resetting, last, resetting, resetting, resetting])
    service.start(ONE, TWO, handler=lambda connection, request: next(answers)(connection, request))
    started, connection = serve(ONE, TWO, retry={"attempts": 1, "budget": "100%"}, **CALM)
    assert [connection.request(method).status for method in ("GET", "GET", "GET", "POST")] == [200, 200, 503, 503]
    assert [line["attempts"] for line in started.log(4)] == [1, 2, 2, 1]
    kinds = {labels["kind"]: value
             for labels, value in started.metrics().find("resilience4j_retry_calls_total", name="patient")}
    assert kinds == {"successful_without_retry": 1, "successful_with_retry": 1, "failed_without_retry": 1, "failed_with_retry": 1}


def test_an_error_of_the_first_try_is_not_said_of_the_second(service, serve):  # noqa: F811
    service.start(ONE)
    service.start(TWO, handler=lambda connection, request: connection.send("no HTTP at all\r\n\r\n"))
    started, connection = serve(ONE, TWO, balance="round_robin", retry={"attempts": 1, "budget": "100%"}, **CALM)
    assert {connection.request().status for _ in range(10)} == {200}
    lines = started.log(10)
    assert {line["attempts"] for line in lines} == {1, 2} and not any("reason" in line for line in lines)


def test_a_pause_before_what_may_have_been_acted_upon(service, serve):  # noqa: F811
    """By chance between nothing and 25 ms, so 12 on average. What was not sent goes elsewhere at once."""
    times = []

    def note(connection, request):
        times.append(time.monotonic())
        resetting(connection, request)

    service.start(ONE, TWO, handler=note)
    started, connection = serve(ONE, TWO, retry={"attempts": 1, "budget": "100%"}, **CALM)
    for _ in range(40):
        assert connection.request().status == 503
    pauses = [second - first for first, second in zip(times[::2], times[1::2])]
    assert len(pauses) == 40 and sum(pauses) / 40 > 0.005 and len({round(pause, 3) for pause in pauses}) > 5


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size, tries", [(60000, 2), (65536, 2), (65537, 1), (300000, 1)])
def test_a_body_that_is_not_kept_is_not_sent_again(service, serve, size, tries, framing):  # noqa: F811
    service.start(ONE, TWO, handler=resetting)
    started, connection = serve(ONE, TWO, retry={"attempts": 1, "budget": "100%"}, **CALM)
    if framing == "length":
        connection.request("PUT", body=bytes(size))
    else:
        connection.request("PUT", headers={"Transfer-Encoding": "chunked"}, body=b"%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n")
    assert started.log(1)[0]["attempts"] == tries == service.count()


def test_a_storm_of_failures_makes_no_storm_of_retries(service, serve):  # noqa: F811
    """Whatever `attempts` would allow: a fifth of the requests of the last ten seconds, or 3 a second where that is more; each
    second begins with three, and the last one may find the fifth used up."""
    service.start(ONE, TWO, handler=lambda connection, request: connection.reply(503))
    started, connection = serve(ONE, TWO, retry={"attempts": 3, "budget": "20%"}, **CALM)
    for _ in range(300):
        assert connection.request().status == 503
    seconds = sum(line["duration_ms"] for line in started.log(300)) / 1000
    tries = sum(len(replica.requests) for replica in service.replicas.values())
    print(f"\n300 requests in {seconds:.1f} s: {tries} tries")
    assert 300 < tries <= 300 + max(60 + 3, 3 * (seconds + 1))
    assert started.metrics().sum("gateway_retry_budget_refused_total") >= 240 - 3 * (seconds + 1)


def test_all_tries_have_one_end(service, serve):  # noqa: F811
    release = threading.Event()
    service.start(ONE, TWO, THREE, handler=lambda connection, request: release.wait(60))
    started, connection = serve(ONE, TWO, THREE, retry={"attempts": 7, "budget": "100%"},
                                timeouts={"response": "2400ms", "total": "3600ms"}, **CALM)
    began = time.monotonic()
    response = connection.request()
    took = time.monotonic() - began
    release.set()
    assert response.body == FALLBACK.encode() and "http_response_timeout" in response.get("Proxy-Status")
    line = started.log(1)[0]
    assert (line["attempts"], line["outcome"], line["reason"]) == (2, "response_timeout", "timeouts.total is over")
    assert took >= 3.6 and line["duration_ms"] < 7200, "three tries would have been 7,200"


def test_no_time_is_lost_on_another_that_is_just_as_slow(service, serve, client):  # noqa: F811
    release = threading.Event()
    service.start(ONE, TWO, handler=lambda connection, request: release.wait(60))
    started, first = serve(ONE, TWO, retry={"attempts": 1, "budget": "100%"}, timeouts={"response": "1s"}, breaker="off")
    second = client(started)
    first.ask()
    until(lambda: service.count() == 1)
    second.ask()  # of two that are asked the less busy one is chosen
    until(lambda: service.count() == 2)
    assert [connection.answer().status for connection in (first, second)] == [503] * 2
    release.set()
    assert [(line["attempts"], line["outcome"]) for line in started.log(2)] == [(1, "response_timeout")] * 2
    assert [len(replica.requests) for replica in service.replicas.values()] == [1, 1]


def test_no_try_that_could_not_begin_in_time(service, serve):  # noqa: F811
    """It is reset when less is left than a pause would take."""
    def late(connection, request):
        time.sleep(0.5)
        connection.reset()

    service.start(ONE, TWO, handler=late)
    started, connection = serve(ONE, TWO, retry={"attempts": 3, "budget": "100%"}, timeouts={"total": "501ms"}, **CALM)
    for _ in range(5):
        assert connection.request().status == 503
    # One in 26 pauses takes no time at all.
    assert sum(line["attempts"] == 1 for line in started.log(5)) >= 3


def test_waiting_for_a_place_is_part_of_the_whole(gateway, upstream, client):
    release = threading.Event()
    behind = upstream(lambda connection, request: release.wait(60))
    started = gateway({"patient": {"url": behind, "bulkhead": {"max_in_flight": 1, "max_wait": "30s"},
                                   "timeouts": {"total": "300ms"}}}, [{"path": "/", "fallback": FALLBACK}])
    clients = [client(started) for _ in range(3)]
    for one in clients:
        one.ask()
    assert [one.answer().status for one in clients] == [503] * 3
    release.set()
    outcomes = [(line["outcome"], 299 < line["duration_ms"] < 5000) for line in started.log(3)]
    # A waiting request may get the place of one that has just timed out, in its own last moment.
    assert set(outcomes) <= {("overloaded", True), ("response_timeout", True)}
    assert {line.get("reason") for line in started.log() if line["outcome"] == "overloaded"} <= {"timeouts.total is over"}


def test_what_a_request_waited_is_no_fault_of_the_upstream(gateway, upstream, client):
    """Two of four get the places, and the rest of timeouts.total is too short for the two after them."""
    def answer(connection, request):
        threading.Event().wait(1.2)
        connection.reply()

    started = gateway({"patient": {"url": upstream(answer), "bulkhead": {"max_in_flight": 2, "max_wait": "5s"}, "breaker": {"minimum_calls": 4},
                                   "timeouts": {"response": "1900ms", "connect": "100ms", "total": "2s"}, "retry": {"attempts": 0}}},
                      [{"path": "/", "fallback": FALLBACK}])
    clients = [client(started) for _ in range(4)]
    for one in clients:
        one.ask()
    assert sorted(one.answer().status for one in clients) == [200, 200, 503, 503]
    assert started.breaker()["failedCalls"] == 0
    assert {line["reason"] for line in started.log(4) if line["status"] == 503} == {"timeouts.total is over"}


def test_connecting_is_part_of_the_whole(gateway, client):
    full = socket.create_server((ONE, 0), backlog=0)
    fillers = []
    for _ in range(3):  # no more connections are completed than the kernel's queue holds
        fillers.append(socket.socket())
        fillers[-1].setblocking(False)
        fillers[-1].connect_ex(full.getsockname())
    started = gateway({"patient": {"url": f"http://{ONE}:{full.getsockname()[1]}",
                                   "timeouts": {"connect": "30s", "total": "200ms"}}})
    assert client(started).request().status == 503
    line = started.log(1)[0]
    assert (line["outcome"], line["reason"]) == ("connect_timeout", "timeouts.total is over")
    for filler in (full, *fillers):
        filler.close()


def test_a_client_that_sends_slowly_uses_up_nothing(gateway, upstream, client):
    behind = upstream(lambda connection, request: (time.sleep(0.1), plain(connection, request)))
    connection = client(gateway({"patient": {"url": behind, "timeouts": {"total": "400ms"}}}))
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n")
    for _ in range(8):
        time.sleep(0.1)
        connection.send("x")
    assert connection.answer().status == 200


def test_one_try_may_take_its_time_unless_told_otherwise(gateway, upstream):
    started = gateway({"patient": {"url": upstream(), "timeouts": {"response": "1m"}}})
    started.stop()
    from process import run
    printed = run("--print-config", "--config", started.file).stdout
    assert "total: 61s" in printed, printed


def test_clients_that_leave_while_it_pauses(service, serve):  # noqa: F811
    service.start(ONE, TWO, handler=resetting)
    started, _ = serve(ONE, TWO, retry={"attempts": 7, "budget": "100%"}, workers=2, **CALM)

    def come_and_go(number):
        for turn in range(40):
            connection = Client(started.port)
            connection.ask()
            time.sleep((number * 40 + turn) % 50 / 1000)
            connection.reset()

    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = started.log(320)
    assert {line["outcome"] for line in lines} <= {"client_aborted", "upstream_reset"}
    until(lambda: started.metrics().sum("gateway_bulkhead_in_flight") == 0, "all are gone")
    assert started.metrics().sum("gateway_endpoint_in_flight") == 0
