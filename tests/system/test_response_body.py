"""routes[].response_body: the largest body that a response of the upstream may have."""
import threading

import pytest

LIMIT = 64 * 1024
ROUTES = [{"path": "/", "upstream": "u", "response_body": "64KiB"}]


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def start(gateway, upstream, *sends, go_on=None, **settings):
    """The service sends the first at once, each of the others when it may go on."""
    def answer(connection, request):
        for number, data in enumerate(sends):
            if number > 0:
                assert go_on.wait(30)
            connection.send(data)
        connection.close()

    return gateway({"u": {"url": upstream(answer), **settings}}, ROUTES)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_length_above_the_limit(gateway, upstream, client, method):
    """A HEAD gets no body, whatever length its head tells."""
    length = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1)
    started = start(gateway, upstream, length + b"x" * 1000 * (method == "GET"))
    response = client(started).request(method)
    if method == "HEAD":
        assert response.status == 200 and response.get("Content-Length") == str(LIMIT + 1)
        return
    assert response.status == 502 and b"x" * 1000 not in response.body
    assert "error=http_response_body_size" in response.get("Proxy-Status")
    assert started.log(1)[0]["outcome"] == "response_too_large"
    assert started.breaker("u")["failedCalls"] == 0


def test_what_the_limit_allows(gateway, upstream, client):
    started = start(gateway, upstream, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LIMIT + b"x" * LIMIT)
    assert client(started).request().body == b"x" * LIMIT
    started = start(gateway, upstream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x" * LIMIT) + b"0\r\n\r\n")
    assert client(started).request().body == b"x" * LIMIT
    assert started.log(1)[0]["outcome"] == "answered"


@pytest.mark.parametrize("framing", ["chunked", "until close"])
def test_a_body_that_is_too_long_as_it_comes_with_its_head(gateway, upstream, client, framing):
    limit = [{"path": "/", "upstream": "u", "response_body": "1KiB"}]
    head, body = {"chunked": (b"Transfer-Encoding: chunked\r\n", chunk(b"x" * 1025)),
                  "until close": (b"Connection: close\r\n", b"x" * 1025)}[framing]
    started = gateway({"u": upstream(lambda connection, request: connection.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body))}, limit)
    response = client(started).request()
    assert response.status == 502
    assert started.log(1)[0]["outcome"] == "response_too_large"


@pytest.mark.parametrize("framing", ["chunked", "until close"])
def test_a_body_that_grows_too_long(gateway, upstream, client, framing):
    """The client gets what came before, and no end of the whole."""
    go_on = threading.Event()
    head, first, more = {"chunked": (b"Transfer-Encoding: chunked\r\n", chunk(b"x" * 1000), chunk(b"y" * LIMIT)),
                         "until close": (b"Connection: close\r\n", b"x" * 1000, b"y" * LIMIT)}[framing]
    started = start(gateway, upstream, b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + first, more, go_on=go_on)
    connection = client(started)
    connection.ask()
    connection.read_until(b"x" * 1000)
    go_on.set()
    assert not connection.read_all().endswith(b"0\r\n\r\n")
    line = started.log(1)[0]
    assert line["outcome"] == "response_too_large" and line["status"] == 200 and line["bytes_out"] < LIMIT


def test_a_route_without_the_key_has_no_limit(gateway, upstream, client):
    started = gateway({"u": upstream(lambda connection, request: connection.reply(body=bytes(1 << 20)))},
                      [{"path": "/", "upstream": "u"}])
    assert len(client(started).request().body) == 1 << 20
