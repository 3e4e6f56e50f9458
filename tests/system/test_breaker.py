"""The breaker as the two ends see it: when it opens, what clients get then, exactly how many probes go through."""
import os
import threading
import time

import pytest

from harness import failing, plain, until

FALLBACK = "Patient information is currently unavailable\n"
ROUTE = {"path": "/", "fallback": FALLBACK}
BREAKER = {"minimum_calls": 5, "open_for": "60s", "open_for_max": "60s", "half_open_calls": 3}


# By how much the default times are cut where a test lives through them; RARE_SCALE=1 is the real life, which takes two minutes.
RARE_SCALE = int(os.environ.get("RARE_SCALE", "10"))


def patient(behind, **breaker):
    """One try each, so that calls can be counted at the upstream."""
    return {"patient": {"url": behind, "breaker": {**BREAKER, **breaker}, "retry": {"attempts": 0},
                        "timeouts": {"response": "30s"}}}


def is_fallback(response):
    return response.status == 503 and response.body == FALLBACK.encode()


def open_it(connection, calls=5):
    for _ in range(calls):
        assert connection.request().status == 500
    until(lambda: is_fallback(connection.request()), "the fallback")


def test_opens_after_minimum_calls_and_not_before(gateway, upstream, client):
    behind = upstream(failing)
    started = gateway(patient(behind), [ROUTE], workers=1)
    connection = client(started)
    for number in range(5):
        response = connection.request()
        assert (number, response.status, response.body) == (number, 500, b"broken")
    for _ in range(20):
        assert is_fallback(connection.request())
    assert len(behind.requests) == 5
    lines = started.log(25)
    assert [line["outcome"] for line in lines] == ["answered_failure"] * 5 + ["breaker_open"] * 20
    assert all(line["breaker"] == "open" and line["attempts"] == 0 for line in lines[5:])


def test_opens_at_a_rate_with_decimals_by_statuses_below_500(gateway, upstream, client):
    def handler(connection, request):
        connection.reply(int(request.target[1:]))

    service = patient(upstream(handler), minimum_calls=8, failure_rate="12.5%", failure_statuses=[429])
    started = gateway(service, [ROUTE], workers=1)
    connection = client(started)
    for status in (200, 404, 500, 301, 200, 200, 200):
        assert connection.request(target=f"/{status}").status == status
    assert started.breaker()["state"] == "CLOSED"
    connection.request(target="/429")
    until(lambda: started.breaker()["state"] == "OPEN", "the last call is counted: its client has the answer a moment before")
    breaker, metrics = started.breaker(), started.metrics()
    assert (breaker["state"], breaker["failureRate"], breaker["failureRateThreshold"]) == ("OPEN", "12.5%", "12.5%")
    assert metrics.sum("resilience4j_circuitbreaker_failure_rate", name="patient") == 12.5
    assert [line["outcome"] for line in started.log(8)].count("answered_failure") == 1
    assert metrics.sum("hystrix_execution_total", key="patient", event="failure") == 1


def test_fields_of_the_fallback(gateway, upstream, client):
    connection = client(gateway(patient(upstream(failing)), [ROUTE]))
    open_it(connection)
    response = connection.request("POST", body=b"something")
    assert is_fallback(response) and response.get("Content-Type") == "text/plain; charset=utf-8"
    assert 1 <= int(response.get("Retry-After")) <= 72
    assert response.get("Cache-Control") == "no-store"
    assert "error=" in response.get("Proxy-Status")
    head = connection.request("HEAD")
    assert head.status == 503 and head.get("Content-Length") == str(len(FALLBACK))
    assert is_fallback(connection.request())


def test_own_status_and_body(gateway, upstream, client):
    route = {"path": "/", "fallback": {"status": 200, "content_type": "application/json", "body": "{}"}}
    connection = client(gateway(patient(upstream(failing)), [route]))
    for _ in range(5):
        connection.request()
    response = until(lambda: (got := connection.request()).status == 200 and got, "the fallback")
    assert response.body == b"{}" and response.get("Content-Type") == "application/json"


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_as_a_fallback(gateway, upstream, client, status):
    route = {"path": "/", "fallback": {"redirect": "https://status.example/?from=here", "status": status}}
    connection = client(gateway(patient(upstream(failing)), [route]))
    for _ in range(5):
        connection.request()
    response = until(lambda: (got := connection.request("POST", body=b"x")).status == status and got, "the fallback")
    assert response.all("Location") == ["https://status.example/?from=here"]
    assert response.get("Cache-Control") == "no-store" and "error=" in response.get("Proxy-Status")
    assert response.get("Retry-After") is None  # it would be about following the redirect
    head = connection.request("HEAD")
    assert (head.status, head.get("Location")) == (status, "https://status.example/?from=here")


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("good", [True, False])
def test_exactly_so_many_probes(gateway, upstream, client, workers, good):
    release, enough = threading.Event(), threading.Event()
    behind = upstream(failing)
    started = gateway(patient(behind, open_for="300ms"), [ROUTE], workers=workers)
    open_it(client(started))

    def held(connection, request):
        release.wait(30)
        (plain if good else failing)(connection, request)

    behind.handler = held
    before = len(behind.requests)
    others = [client(started) for _ in range(12)]
    answers = []

    def ask(connection):
        while not enough.is_set():
            response = connection.request()
            answers.append(response)
            if response.status == 200:
                return
            time.sleep(0.001)

    threads = [threading.Thread(target=ask, args=(connection,)) for connection in others]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(behind.requests) - before >= 3, "3 probes")
        count = len(answers)
        until(lambda: len(answers) >= count + 200, "200 more are turned away")
        assert len(behind.requests) - before == 3
        if not good:
            enough.set()
    finally:
        release.set()
        for thread in threads:
            thread.join(20)
    if good:  # all get through now
        assert sum(1 for answer in answers if answer.status == 200) == 12
    else:
        assert len(behind.requests) - before == 3
        assert is_fallback(client(started).request())


def test_long_streams_hold_no_probes(gateway, upstream, client):
    """That their heads came in time is all a half-open breaker wants to know; it does not wait for their ends."""
    release = threading.Event()
    behind = upstream(failing)
    keys = patient(behind, open_for="300ms")
    keys["patient"]["timeouts"] = {"response": "300ms"}
    started = gateway(keys, [ROUTE], workers=1)
    open_it(client(started))

    def stream(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        release.wait(30)
        connection.send(b"world")

    behind.handler, streams = stream, []

    def begin():
        streams.append(client(started))
        streams[-1].ask()
        if b" 200 " not in streams[-1].read_until(b"\r\n\r\n"):
            streams.pop()
        return len(streams) == 3

    until(begin, "three probes, all of them streams")
    started.wait_for_state("CLOSED")
    assert all(one.read(5) == b"hello" for one in streams) and not release.is_set()
    release.set()
    assert all(one.read(5) == b"world" for one in streams)


def test_observe_never_rejects(gateway, upstream, client):
    behind = upstream(failing)
    started = gateway(patient(behind, mode="observe"), [ROUTE])
    connection = client(started)
    for _ in range(30):
        assert connection.request().status == 500
    assert len(behind.requests) == 30
    assert started.breaker()["state"] == "METRICS_ONLY" and started.breaker()["wouldBe"] == "OPEN"
    assert started.metrics().sum("gateway_breaker_state", state="open") == 0
    started.must_say("warn breaker patient: would go closed -> open, but only observes: failure rate; 5 calls, 5 failed, 0 slow; for ")
    event, = started.admin("/actuator/circuitbreakerevents/patient/STATE_TRANSITION")["circuitBreakerEvents"]
    assert event["stateTransition"] == "CLOSED_TO_OPEN" and event["observe"] is True
    text = started.admin("/cluster/self")["events"][-1]["text"]
    assert text.startswith("would go closed -> open, but only observes: failure rate; ")
    assert {line["breaker"] for line in started.log(30)} == {"closed", "open"}


def test_off(gateway, upstream, client):
    behind = upstream(failing)
    connection = client(gateway({"patient": {"url": behind, "breaker": "off", "retry": {"attempts": 0}}}, [ROUTE]))
    for _ in range(50):
        assert connection.request().status == 500


def test_client_errors_do_not_count(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(404, b"no such patient"))
    connection = client(gateway(patient(behind), [ROUTE]))
    for _ in range(30):
        assert connection.request().body == b"no such patient"
    assert len(behind.requests) == 30


def test_clients_that_leave_do_not_count(gateway, upstream, client):
    release = threading.Event()
    behind = upstream(lambda connection, request: release.wait(30))
    started = gateway(patient(behind), [ROUTE])
    for number in range(12):
        leaving = client(started)
        leaving.ask()
        behind.wait_for(number + 1)
        leaving.reset()
    assert [line["outcome"] for line in started.log(12)] == ["client_aborted"] * 12
    release.set()
    behind.handler = plain
    assert client(started).request().status == 200


def test_own_failure_statuses(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(int(request.target[1:]), b"x"))
    connection = client(gateway(patient(behind, failure_statuses=[501]), [ROUTE]))
    for _ in range(20):
        assert connection.request(target="/500").status == 500
    for _ in range(25):  # half of all
        connection.request(target="/501")
    assert is_fallback(connection.request(target="/200"))


def test_slow_calls_open_it(gateway, upstream, client):
    def slow(connection, request):
        time.sleep(0.03)
        connection.reply()

    connection = client(gateway(patient(upstream(slow), slow_call="10ms", slow_rate="80%"), [ROUTE]))
    for _ in range(5):
        assert connection.request().status == 200
    until(lambda: is_fallback(connection.request()), "the fallback")


def test_timeouts_count(gateway, upstream, client):
    behind = upstream(lambda connection, request: threading.Event().wait(3))
    keys = patient(behind)
    keys["patient"]["timeouts"] = {"response": "50ms"}
    started = gateway(keys, [ROUTE])
    connection = client(started)
    for _ in range(8):
        assert is_fallback(connection.request())
    outcomes = [line["outcome"] for line in started.log(8)]
    assert outcomes == ["response_timeout"] * 5 + ["breaker_open"] * 3


def test_count_window(gateway, upstream, client):
    behind = upstream(plain)
    connection = client(gateway(patient(behind, window="10 calls", minimum_calls=10), [ROUTE]))
    for _ in range(50):
        assert connection.request().status == 200
    behind.handler = failing
    for _ in range(5):
        assert connection.request().status == 500
    assert is_fallback(connection.request())


def test_answers_replaced_by_the_fallback(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(int(request.target[1:]), b"from the service"))
    started = gateway(patient(behind, minimum_calls=100),
                      [{"path": "/", "fallback": {"body": FALLBACK, "on_statuses": [502, 404]}}])
    connection = client(started)
    for status in (502, 404):
        assert is_fallback(connection.request(target=f"/{status}"))
    for status in (500, 403, 200):
        response = connection.request(target=f"/{status}")
        assert (response.status, response.body) == (status, b"from the service")
    assert [line["outcome"] for line in started.log(5)][:2] == ["replaced"] * 2


def test_one_upstreams_breaker_leaves_the_others_alone(gateway, upstream, client):
    bad, good = upstream(failing), upstream(plain)
    connection = client(gateway({**patient(bad), "reception": good},
                                [{"path": "/patient", "upstream": "patient", "fallback": FALLBACK},
                                 {"path": "/reception", "upstream": "reception"}]))
    for _ in range(10):
        connection.request(target="/patient")
        assert connection.request(target="/reception").status == 200
    assert is_fallback(connection.request(target="/patient"))


def test_operators_may_force_it(gateway, upstream, client):
    behind = upstream(plain)
    started = gateway(patient(behind), [ROUTE])
    connection = client(started)
    answer = started.force("FORCE_OPEN")
    assert answer["circuitBreakerName"] == "patient" and started.breaker()["state"] == "FORCED_OPEN"
    assert is_fallback(connection.request())
    started.force("CLOSE")
    assert connection.request().status == 200 and started.breaker()["state"] == "CLOSED"
    behind.handler = failing
    for state, shown in (("DISABLE", "DISABLED"), ("METRICS_ONLY", "METRICS_ONLY")):
        started.force(state)
        for _ in range(20):
            assert connection.request().status == 500
        assert started.breaker()["state"] == shown


def test_full_bulkhead(gateway, upstream, client):
    release = threading.Event()

    def held(connection, request):
        release.wait(30)
        connection.reply()

    behind = upstream(held)
    keys = patient(behind)
    keys["patient"]["bulkhead"] = {"max_in_flight": 3}
    started = gateway(keys, [ROUTE], workers=4)
    inside = [client(started) for _ in range(3)]
    for connection in inside:
        connection.ask()
    behind.wait_for(3)
    outside = client(started)
    outside.ask()
    response = outside.answer()
    assert is_fallback(response) and "connection_limit_reached" in response.get("Proxy-Status")
    release.set()
    assert [connection.answer().status for connection in inside] == [200] * 3
    assert until(lambda: outside.request().status == 200)


def test_a_rarely_called_service_comes_back(gateway, upstream, client):
    """The default configuration, one request in 10 s: when the service is back, at most one more gets the fallback."""
    seconds = {"window": 10, "open_for": 5, "open_for_max": 60, "half_open_timeout": 30}
    breaker = {key: f"{value * 1000 // RARE_SCALE}ms" for key, value in seconds.items()} if RARE_SCALE > 1 else {}
    behind = upstream(failing)
    started = gateway({"patient": {"url": behind, **({"breaker": breaker} if breaker else {})}}, [ROUTE])
    connection = client(started)
    until(lambda: is_fallback(connection.request()), "the fallback")
    behind.handler = plain
    answers = ""
    for _ in range(11):
        answers += "F" if is_fallback(connection.request()) else "."
        time.sleep(10 / RARE_SCALE)
    assert answers.count("F") <= 1, answers
    assert started.breaker()["state"] == "CLOSED"
