"""SIGTERM: what is in flight is finished, clients are told to go, the exit is clean and in time."""
import signal
import threading
import time

import pytest

from harness import Client, until


def wait_until_closed(started):
    """Until no worker takes connections any more."""
    def is_refused():
        try:
            Client(started.port).close()
        except OSError:
            return True
        return False

    until(is_refused, "connections are refused")


@pytest.fixture
def held(upstream):
    """An upstream that answers once `release` is set."""
    release = threading.Event()

    def answer(connection, request):
        release.wait(30)
        connection.reply(body=b"in time")

    server = upstream(answer)
    server.release = release
    yield server
    release.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_are_finished(gateway, held, client, number):
    started = gateway(held, drain={"delay": "0s", "timeout": "60s"})
    waiting = [client(started) for _ in range(20)]
    for connection in waiting:
        connection.ask("POST", body=b"hello")
    held.wait_for(20)
    started.signal(number)
    wait_until_closed(started)
    held.release.set()
    for connection in waiting:
        response = connection.answer()
        assert response.body == b"in time" and response.get("Connection") == "close"
    assert started.wait() == 0
    assert len(started.log()) == 20


def test_readiness_fails_while_connections_are_still_taken(gateway, held, client):
    started = gateway(held, drain={"delay": "30s", "timeout": "30s"})
    assert started.ask_admin("/readyz")[0] == 200
    started.signal(signal.SIGTERM)
    until(lambda: started.ask_admin("/readyz")[0] == 503, "not ready any more")
    assert started.ask_admin("/livez")[0] == 200
    held.release.set()
    assert client(started).request().body == b"in time"
    started.signal(signal.SIGTERM)
    assert started.wait() == 0


def test_no_new_connections_after_the_delay(gateway, held, client):
    started = gateway(held, drain={"delay": "0s", "timeout": "60s"})
    waiting = client(started)
    waiting.ask()
    held.wait_for(1)
    started.signal(signal.SIGTERM)
    wait_until_closed(started)
    held.release.set()
    assert waiting.answer().body == b"in time"
    waiting.close()
    assert started.wait() == 0


def test_an_idle_client_is_not_cut_off_in_mid_thought(gateway, upstream, client):
    started = gateway(upstream(), drain={"delay": "0s", "timeout": "60s"})
    connection = client(started)
    connection.request()
    started.signal(signal.SIGTERM)
    wait_until_closed(started)
    connection.ask()
    response = connection.answer()
    assert response.status == 200 and response.get("Connection") == "close" and connection.is_closed()
    assert started.wait() == 0


def test_a_second_signal_ends_it_at_once(gateway, held, client):
    started = gateway(held, drain={"delay": "0s", "timeout": "3600s"})
    waiting = client(started)
    waiting.ask()
    held.wait_for(1)
    started.signal(signal.SIGTERM)
    until(lambda: started.has_said("draining"), "word of the drain")
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    assert waiting.is_closed()
    assert [line["outcome"] for line in started.log()] == ["drained"]


@pytest.mark.parametrize("count, words", [(1, "1 request that was"), (3, "3 requests that were")])
def test_after_the_timeout_what_is_left_is_cut(gateway, held, client, count, words):
    started = gateway(held, drain={"delay": "0s", "timeout": "300ms"})
    waiting = [client(started) for _ in range(count)]
    for connection in waiting:
        connection.ask()
    held.wait_for(count)
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    assert all(connection.is_closed() for connection in waiting)
    assert [line["outcome"] for line in started.log()] == ["drained"] * count
    started.must_say(f"warn drain.timeout is over: the gateway cut {words} still in flight")


def test_an_idle_client_that_outlasts_the_timeout_is_no_request_in_flight(gateway, held, client):
    held.release.set()
    started = gateway(held, drain={"delay": "0s", "timeout": "300ms"})
    idle = client(started)
    assert idle.request().body == b"in time"
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    assert idle.is_closed()
    started.must_say("info drain.timeout is over: the gateway closed the idle connections; no request was in flight")
    assert not started.has_said("still in flight")


def test_a_client_that_connects_before_the_listener_closes_is_served(gateway, held):
    """Clients may send their first bytes later: for them the connection stands."""
    held.release.set()
    started = gateway(held, drain={"delay": "900ms", "timeout": "60s"}, workers=1)
    started.signal(signal.SIGTERM)
    early, connected = [], []

    def accepts_at_once():
        """Before the worker has heard of the drain, the kernel keeps a connection from it whose first byte has not come."""
        before = started.metrics().sum("gateway_connections_accepted_total")
        early.append(Client(started.port))
        return started.metrics().sum("gateway_connections_accepted_total") > before

    until(accepts_at_once, "the worker accepts at once")

    def is_refused():
        time.sleep(0.001)  # so that the kernel's queue never overflows
        try:
            connected.append(Client(started.port))
        except OSError:
            return True
        return False

    until(is_refused, "connections are refused")
    for connection in early:
        connection.close()
    assert connected
    for connection in connected:
        assert connection.request().body == b"in time"
        connection.close()
    assert started.wait() == 0


def test_a_long_answer_is_finished(gateway, upstream, client):
    release = threading.Event()

    def answer(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 500_000)
        release.wait(30)
        connection.send(b"b" * 500_000)

    started = gateway(upstream(answer), drain={"delay": "0s", "timeout": "60s"})
    connection = client(started)
    connection.ask()
    connection.read_until(b"\r\n\r\n")
    started.signal(signal.SIGTERM)
    until(lambda: started.has_said("draining"), "word of the drain")
    release.set()
    assert connection.read(1_000_000) == b"a" * 500_000 + b"b" * 500_000
    connection.close()
    assert started.wait() == 0


def test_reload_while_draining_is_harmless(gateway, held, client):
    started = gateway(held, drain={"delay": "0s", "timeout": "60s"})
    waiting = client(started)
    waiting.ask()
    held.wait_for(1)
    started.signal(signal.SIGTERM)
    started.signal(signal.SIGHUP)
    held.release.set()
    assert waiting.answer().body == b"in time"
    waiting.close()
    assert started.wait() == 0
