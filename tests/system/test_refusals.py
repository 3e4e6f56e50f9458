"""Refused requests and their status; nothing goes on after one, as nobody knows where the next request would begin."""
from collections import Counter

import pytest

from harness import Client, until

HOST = b"Host: h\r\n"


def head(line=b"GET / HTTP/1.1", fields=HOST):
    return line + b"\r\n" + fields + b"\r\n"


def post(fields, body=b""):
    return head(b"POST / HTTP/1.1", HOST + fields) + body


REFUSED = {
    "no host": (400, head(fields=b"")),
    "two hosts": (400, head(fields=HOST + HOST)),
    "host with userinfo": (400, head(fields=b"Host: a@b\r\n")),
    "bare LF after the line": (400, b"GET / HTTP/1.1\nHost: h\r\n\r\n"),
    "bare LF after a field": (400, b"GET / HTTP/1.1\r\nHost: h\n\r\n"),
    "bare CR in a field": (400, head(fields=HOST + b"X: a\rb\r\n")),
    "obs-fold": (400, head(fields=HOST + b"X: a\r\n b\r\n")),
    "blank before the colon": (400, head(fields=HOST + b"X : a\r\n")),
    "blank before the first field": (400, head(fields=b" X: a\r\n" + HOST)),
    "field without colon": (400, head(fields=HOST + b"X\r\n")),
    "NUL in a value": (400, head(fields=HOST + b"X: a\0b\r\n")),
    "control in a name": (400, head(fields=HOST + b"X\x01: a\r\n")),
    "two blanks in the line": (400, head(b"GET  / HTTP/1.1")),
    "tab in the line": (400, head(b"GET\t/ HTTP/1.1")),
    "no version": (400, head(b"GET /")),
    "lower-case version": (400, head(b"GET / http/1.1")),
    "fragment": (400, head(b"GET /a#b HTTP/1.1")),
    "encoded slash": (400, head(b"GET /a%2fb HTTP/1.1")),
    "encoded slash, upper case": (400, head(b"GET /a%2Fb HTTP/1.1")),
    "encoded NUL": (400, head(b"GET /a%00b HTTP/1.1")),
    "backslash": (400, head(b"GET /a\\b HTTP/1.1")),
    "bad percent": (400, head(b"GET /a%zz HTTP/1.1")),
    "length and chunked": (400, post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    "chunked and length": (400, post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n")),
    "two lengths": (400, post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
    "list of lengths": (400, post(b"Content-Length: 5, 6\r\n", b"hello!")),
    "length with a sign": (400, post(b"Content-Length: +5\r\n", b"hello")),
    "negative length": (400, post(b"Content-Length: -5\r\n", b"hello")),
    "length in hex": (400, post(b"Content-Length: 0x5\r\n", b"hello")),
    "length that overflows": (400, post(b"Content-Length: 18446744073709551621\r\n", b"hello")),
    "empty length": (400, post(b"Content-Length: \r\n")),
    "unknown coding": (501, post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")),
    "not chunked at the end": (400, post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n")),
    "chunked twice": (400, post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    "chunked with a dot": (400, post(b"Transfer-Encoding: .chunked\r\n", b"0\r\n\r\n")),
    "chunked in 1.0": (400, head(b"POST / HTTP/1.0", HOST + b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n"),
    "CONNECT": (405, head(b"CONNECT h:80 HTTP/1.1")),
    "long line": (414, head(b"GET /" + b"a" * 20_000 + b" HTTP/1.1")),
    "large head": (431, head(fields=HOST + b"X: " + b"a" * 20_000 + b"\r\n")),
    "many fields": (431, head(fields=HOST + b"X: a\r\n" * 150)),
    "other expectation": (417, post(b"Expect: 200-ok\r\nContent-Length: 5\r\n", b"hello")),
    "version 2": (505, head(b"GET / HTTP/2.0")),
    "version 3": (505, head(b"GET / HTTP/3.1")),
}
# More than one status is defensible for these; a refusal it must be.
LENIENT = {"not chunked at the end": (400, 501), "chunked with a dot": (400, 501), "chunked twice": (400, 501)}


@pytest.fixture
def behind(upstream):
    return upstream()


@pytest.mark.parametrize("case", REFUSED)
def test_refused_and_closed(gateway, behind, client, case):
    status, bytes_sent = REFUSED[case]
    started = gateway(behind)
    connection = client(started)
    connection.send(bytes_sent)
    response = connection.answer()
    assert response.status in LENIENT.get(case, (status,))
    assert response.get("Connection") == "close" and connection.is_closed()
    assert behind.requests == []
    (line,) = started.log(1)
    assert line["status"] == response.status and line["outcome"] == "request_refused"


@pytest.mark.parametrize("body", [
    b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nX y\r\n\r\n",
])
def test_bad_chunks_never_end_well(gateway, behind, client, body):
    connection = client(gateway(behind))
    connection.send(post(b"Transfer-Encoding: chunked\r\n", body + b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"))
    try:
        response = connection.answer()
        assert response.status == 400 and response.get("Connection") == "close"
    except (EOFError, ConnectionResetError):
        pass
    assert connection.is_closed()
    assert behind.requests == []


def test_nothing_after_a_refusal_is_served(gateway, behind, client):
    started = gateway(behind)
    connection = client(started)
    connection.send(head(fields=b"") + head(b"GET /second HTTP/1.1"))
    assert connection.answer().status == 400
    assert connection.is_closed() and behind.requests == []
    assert len(started.log(1)) == 1


def test_requests_before_a_refusal_are_answered_first(gateway, behind, client):
    connection = client(gateway(behind))
    connection.send(head(b"GET /first HTTP/1.1") + head(fields=b""))
    assert connection.answer().status == 200
    assert connection.answer().status == 400
    assert connection.is_closed()


@pytest.mark.parametrize("split", [1, 7, 30])
def test_refused_however_the_bytes_come(gateway, behind, client, split):
    connection = client(gateway(behind))
    data = post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")
    for start in range(0, len(data), split):
        connection.send(data[start:start + split])
    assert connection.answer().status == 400


def test_a_body_above_the_limit(gateway, behind, client):
    started = gateway(behind, limits={"request_body": "1KiB"})
    connection = client(started)
    connection.ask("POST", headers={"Content-Length": 1025})
    response = connection.answer()
    assert response.status == 413 and response.get("Connection") == "close" and connection.is_closed()
    assert behind.requests == []
    assert client(started).request("POST", body=b"x" * 1024).status == 200


def test_a_chunked_body_that_grows_above_the_limit(gateway, behind, client):
    connection = client(gateway(behind, limits={"request_body": "1KiB"}))
    connection.ask("POST", headers={"Transfer-Encoding": "chunked"}, body=b"400\r\n" + b"x" * 1024 + b"\r\n1\r\ny\r\n")
    assert connection.answer().status == 413
    assert connection.is_closed() and behind.requests == []


def test_a_head_that_takes_too_long(gateway, behind, client):
    started = gateway(behind, limits={"head_timeout": "200ms"})
    connection = client(started)
    connection.send(b"GET / HTTP/1.1\r\nHo")
    assert connection.answer().status == 408
    assert connection.is_closed()
    assert started.log(1)[0]["outcome"] == "request_timeout"


def test_a_body_that_stops_coming(gateway, behind, client):
    started = gateway(behind, limits={"body_timeout": "200ms"})
    connection = client(started)
    connection.ask("POST", headers={"Content-Length": 10}, body=b"half")
    assert connection.answer().status == 408
    assert connection.is_closed()


def test_a_client_that_takes_nothing(gateway, upstream):
    behind = upstream(lambda connection, request: connection.reply(body=bytes(64 << 20)))
    started = gateway(behind, limits={"write_timeout": "300ms"})
    slow = Client(started.port, receive_buffer=4096)
    slow.ask()
    (line,) = started.log(1)
    assert line["outcome"] == "client_stalled" and line["bytes_out"] < 64 << 20
    with pytest.raises((EOFError, ConnectionError)):
        slow.answer()
    assert started.breaker()["failedCalls"] == 0


def test_refusals_are_counted_by_what_was_wrong(gateway, behind, client):
    started = gateway(behind)
    statuses = Counter()
    for _, bytes_sent in REFUSED.values():
        connection = client(started)
        connection.send(bytes_sent)
        statuses[connection.answer().status] += 1
    metrics = started.metrics()
    for status in (400, 405, 414, 417, 431, 501, 505):
        assert metrics.sum("http_server_requests_seconds_count", status=str(status)) == statuses[status] > 0
    assert metrics.sum("gateway_requests_total", outcome="request_refused") == len(REFUSED)
    reasons = Counter(line["reason"] for line in started.log(len(REFUSED)))
    assert len(reasons) > 20, "and the log says why, one line each"


MARK = "xyzzy"


@pytest.mark.parametrize("line,fields", [
    ("GET /{} HTTP/1.1", "Host: h"), ("{} /patient HTTP/1.1", "Host: h"), ("GET /%{} HTTP/1.1", "Host: h"),
    ("GET / {}/1.1", "Host: h"), ("GET / HTTP/1.1", 'Host: {}"'), ("GET / HTTP/1.1", "Host: h\r\n{}@: a"),
    ("GET /patient HTTP/1.1", "Host: h\r\nExpect: {}"), ("POST /patient HTTP/1.1", "Host: h\r\nTransfer-Encoding: {}"),
    ("GET /patient/{}?{} HTTP/1.1", "Host: {}\r\nX-Request-Id: {}\r\nVia: {}\r\nUser-Agent: {}\r\nForwarded: for={}"),
])
def test_nothing_of_a_client_comes_back_in_what_the_gateway_says(gateway, upstream, client, line, fields):
    """No field and no page can be injected through an answer that holds nothing of the request."""
    started = gateway(upstream(), [{"path": "/patient", "methods": ["GET"], "fallback": "later"}])
    started.force("FORCE_OPEN")
    connection = client(started)
    connection.send(f"{line}\r\n{fields}\r\n\r\n".replace("{}", MARK))
    connection.half_close()
    said = connection.read_all()
    assert said.startswith(b"HTTP/1.1 ") and b"Proxy-Status: gateway; " in said
    assert MARK.encode() not in said.lower()


def test_an_idle_connection_is_closed_without_a_word(gateway, behind, client):
    started = gateway(behind, limits={"idle_timeout": "200ms"})
    connection = client(started)
    connection.request()
    assert connection.is_closed()
    assert len(started.log(1)) == 1


def test_a_connection_on_which_nothing_ever_comes_is_idle_too(gateway, behind, client):
    """The kernel keeps it back for a second, and no longer."""
    started = gateway(behind, limits={"idle_timeout": "200ms"})
    assert client(started).is_closed()
    assert not started.lines


def test_own_limits_of_head_and_fields(gateway, behind, client):
    started = gateway(behind, limits={"request_head": "4KiB", "request_fields": 10})
    assert client(started).request(headers={"X": "a" * 3900}).status == 200
    assert client(started).request(headers={"X": "a" * 4096}).status == 431
    assert client(started).request(headers=[("X", "a")] * 9).status == 200
    assert client(started).request(headers=[("X", "a")] * 10).status == 431


def test_an_empty_line_before_a_request_is_forgiven(gateway, behind, client):
    connection = client(gateway(behind))
    connection.send(b"\r\n" + head())
    assert connection.answer().status == 200


def test_a_request_behind_a_body_that_is_too_large_is_served(gateway, upstream, client):
    behind = upstream()
    connection = client(gateway({"u": behind}, [{"path": "/", "upstream": "u", "request_body": "10B"}]))
    connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    until(lambda: behind.connections, "the upstream is asked")
    connection.send(b"14\r\n" + b"a" * 20 + b"\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n")
    assert connection.answer().status == 413
    assert connection.answer().status == 200
