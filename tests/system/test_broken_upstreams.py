"""Upstreams that are slow on purpose, break off, or say more than they were asked: bounded by time, a failure for the breaker, and
never something whole for a client."""
import itertools
import threading

import pytest

from harness import Client, until

HEAD = b"HTTP/1.1 200 OK\r\n"


def serve(gateway, behind, **keys):
    return gateway({"patient": {"url": behind, "retry": {"attempts": 0}, "ejection": "off",
                                "breaker": {"minimum_calls": 5}, "timeouts": {"response": "500ms"}, **keys}}, workers=1)


def endless(connection, parts, done):
    """Part by part, each well within every timeout, until the gateway has had enough."""
    try:
        for part in parts:
            connection.send(part)
            if done.wait(0.05):
                return
    except OSError:
        pass


@pytest.mark.parametrize("parts", [
    lambda: (bytes([byte]) for byte in itertools.chain(HEAD + b"X: ", itertools.repeat(ord("a")))),
    lambda: itertools.chain([HEAD], itertools.repeat(b"X: a\r\n")),
    lambda: itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n", 15),  # then silence: one more is another error
], ids=["a byte at a time", "a field at a time", "an interim response at a time"])
def test_a_head_that_never_ends_has_until_the_timeout(gateway, upstream, parts):
    done = threading.Event()
    started = serve(gateway, upstream(lambda connection, request: (endless(connection, parts(), done), done.wait(30))))
    client = Client(started.port)
    client.ask()
    (line,) = started.log(1)
    done.set()
    assert (line["outcome"], line["status"]) == ("response_timeout", 503)
    assert line["duration_ms"] > 499, "deadlines are in whole milliseconds"
    assert started.breaker()["failedCalls"] == 1


@pytest.mark.parametrize("begin", [
    b"Content-Length: 10\r\n\r\nhello",
    b"Content-Length: 1000000\r\n\r\n" + bytes(300_000),  # goes through a pipe in the kernel
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0x5\r\n",
], ids=["of a length", "of a large length", "of chunks", "of chunks that are none"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_body_that_breaks_off_is_a_failure_and_looks_like_one(gateway, upstream, begin, end):
    def break_off(connection, request):
        connection.send(HEAD + begin)
        getattr(connection, end)()

    started = serve(gateway, upstream(break_off))
    for number in range(5):
        client = Client(started.port)
        client.ask()
        with pytest.raises((EOFError, ConnectionError)):
            response = client.answer()
            assert response.status != 200  # nothing of it was out yet, and so it was a 502
            raise EOFError
    outcomes = {line["outcome"] for line in started.log(5)}
    assert outcomes <= {"response_cut", "response_invalid", "upstream_reset"}, outcomes
    assert started.breaker()["state"] == "OPEN"


def test_a_body_that_stops_is_a_failure(gateway, upstream):
    release = threading.Event()

    def stop_in_the_middle(connection, request):
        connection.send(HEAD + b"Content-Length: 10\r\n\r\nhello")
        release.wait(30)

    started = serve(gateway, upstream(stop_in_the_middle), timeouts={"idle": "200ms"})
    client = Client(started.port)
    client.ask()
    with pytest.raises((EOFError, ConnectionError)):
        client.answer()
    release.set()
    assert [line["outcome"] for line in started.log(1)] == ["response_stalled"]
    until(lambda: started.breaker()["failedCalls"] == 1, "a failure")
