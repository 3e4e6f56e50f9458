"""Bytes that come when nobody asked for them, on either side, are never taken for a message. (What a message may look like:
tests/data/.)"""
import signal
import threading

import pytest

from harness import until

UNASKED = [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n", b"x"]


@pytest.mark.parametrize("unasked", UNASKED)
def test_bytes_on_an_idle_upstream_connection_end_it(gateway, upstream, client, unasked):
    speak, ended = threading.Event(), threading.Event()

    def answer(connection, request):
        connection.reply(body=request.target.encode())
        if connection.number == 0:
            speak.wait(10)
            connection.send(unasked)
            if connection.is_closed():
                ended.set()

    behind = upstream(answer)
    connection = client(gateway(behind, workers=1))
    assert connection.request(target="/first").body == b"/first"
    speak.set()
    assert ended.wait(10), "the connection is closed at once"
    assert connection.request(target="/second").body == b"/second"
    assert len(behind.connections) == 2


def test_bytes_behind_an_upgrade_belong_to_the_tunnel(gateway, upstream, client):
    hidden = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
    tunneled = []

    def answer(connection, request):
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        tunneled.append(connection.read(len(hidden)))
        connection.close()

    started = gateway(upstream(answer))
    connection = client(started)
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + hidden)
    assert connection.answer().status == 101 and connection.is_closed()
    connection.close()
    assert tunneled == [hidden], "as it was, not as a request that the gateway forwards"
    assert [line["path"] for line in started.log(1)] == ["/"]


@pytest.mark.parametrize("method,is_used_again", [("GET", False), ("DELETE", False), ("OPTIONS", False), ("REPORT", False),
                                                  ("POST", True), ("PUT", True), ("PATCH", True)])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_connection_ends_with_a_body_that_means_nothing(gateway, upstream, client, method, is_used_again, chunked):
    """A service that does not read the body there takes it for the next request, and the next client gets the answer to that."""
    behind = upstream(lambda connection, request: connection.reply(body=b"%d" % connection.number))
    asked = client(gateway(behind, workers=1))
    if chunked:
        asked.ask(method, headers={"Transfer-Encoding": "chunked"}, body=b"5\r\nhello\r\n0\r\n\r\n")
    else:
        asked.ask(method, body=b"hello")
    assert asked.answer().body == b"0"
    assert asked.request().body == (b"0" if is_used_again else b"1")
    assert behind.requests[0].get("Connection") == (None if is_used_again else "close")


def waiting_bytes(port):
    """The bytes that have arrived at a port of this machine and were not read yet."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return sum(int(row[4].split(":")[1], 16) for row in rows if int(row[1].split(":")[1], 16) == port and row[3] == "01")


@pytest.mark.parametrize("unasked", UNASKED)
@pytest.mark.parametrize("method", ["POST"])
def test_bytes_that_are_there_before_the_request_are_not_its_answer(gateway, upstream, client, unasked, method):
    """Both wait for the gateway, the request first: in one turn of its loop it hears of both."""
    behind = upstream(lambda connection, request: connection.reply(body=request.target.encode()))
    started = gateway(behind, workers=1)
    connection = client(started)
    assert connection.request(target="/first").body == b"/first"
    started.signal(signal.SIGSTOP)
    connection.ask(method, "/second", body=b"hello" if method == "POST" else b"")
    until(lambda: waiting_bytes(started.port) > 0, "the request has arrived")
    behind.connections[0].send(unasked)
    started.signal(signal.SIGCONT)
    assert connection.answer().body == b"/second"
    assert [len(behind.connections), [request.target for request in behind.requests]] == [2, ["/first", "/second"]]


@pytest.mark.parametrize("size", [100, 16384, 65536 * 3], ids=["small", "as much as one read takes", "spliced"])
def test_bytes_behind_a_response_are_not_the_next(gateway, upstream, client, size):
    """Whose request has already come: the connection would be used again before the loop looks at it."""
    def answer(connection, request):
        if request.target == "/first":
            connection.reply(body=b"/first")
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
        length = size - len(head % size)
        connection.send(head % length + b"x" * length + UNASKED[0])

    behind = upstream(answer)
    started = gateway(behind, workers=1)
    connection = client(started)
    assert connection.request(target="/first").body == b"/first"
    connection.send(b"GET /second HTTP/1.1\r\nHost: h\r\n\r\nGET /first HTTP/1.1\r\nHost: h\r\n\r\n")
    assert set(connection.answer().body) == {ord("x")}
    assert connection.answer().body == b"/first"
    assert len(behind.connections) == 2


OWN_ANSWERS = {
    "no route": (b"POST /elsewhere", 404), "another method": (b"PUT /patient", 405), "an open breaker": (b"POST /patient", 503),
    "too large": (b"POST /patient/small", 413), "a path that leads out": (b"POST /patient/..", 404),
    "a bad path": (b"POST /patient%00", 400)}


def statuses(connection):
    """Of all that still comes; the connection may end anywhere."""
    found = []
    try:
        while True:
            found.append(connection.answer().status)
    except (EOFError, OSError):
        return found


@pytest.mark.parametrize("answer", OWN_ANSWERS)
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("is_body_late", [False, True], ids=["at once", "later"])
def test_a_body_is_never_a_request_when_the_gateway_answers_itself(gateway, upstream, client, answer, framing, is_body_late):
    """CVE-2019-20372. It is thrown away whole, or the connection is closed."""
    line, status = OWN_ANSWERS[answer]
    behind = upstream()
    started = gateway({"patient": behind}, [{"path": "/patient", "methods": ["GET", "POST"]},
                                            {"path": "/patient/small", "request_body": "10B"}])
    hidden = b"GET /patient/hidden HTTP/1.1\r\nHost: h\r\n\r\n"
    if framing == "length":
        field, body = b"Content-Length: %d" % len(hidden), hidden
    else:
        field, body = b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    if answer == "an open breaker":
        started.force("FORCE_OPEN")
    connection = client(started)
    connection.send(line + b" HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n\r\n" + (b"" if is_body_late else body))
    found = []
    if not (is_body_late and framing == "chunked" and answer == "too large"):  # which can't be known yet
        found.append(connection.answer().status)
    started.force("CLOSE")
    try:
        connection.send((body if is_body_late else b"") + b"GET /patient/next HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.half_close()
    except OSError:
        pass  # closed
    found += statuses(connection)
    assert found in ([status], [status, 200]), found
    assert client(started).request(target="/patient/after").status == 200
    arrived = [request.target for request in behind.requests if request.target != "/patient/small"]
    assert arrived == ["/patient/next"] * (len(found) - 1) + ["/patient/after"]


def test_after_an_early_response_neither_connection_is_in_doubt(gateway, upstream, client):
    """The rest of the request's body is never read as a request, by nobody."""
    def answer(connection, request):
        connection.reply(body=request.target.encode())
        if request.target == "/early":
            while connection.more():  # what still comes, until it is over
                pass

    behind = upstream(answer, whole=False)
    started = gateway(behind, workers=1)
    connection = client(started)
    rest = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
    filler = bytes(100000)  # a small body would be read before it goes on
    connection.ask("POST", "/early", headers={"Content-Length": 5 + len(filler) + len(rest)}, body=b"hello")
    assert connection.answer().body == b"/early"
    try:
        connection.send(filler + rest + b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
    except OSError:
        pass
    assert client(started).request(target="/other").body == b"/other"
    until(lambda: len(behind.connections) == 2, "a connection of its own for the next request")
    assert not any(request.target == "/hidden" for request in behind.requests)


def test_an_upstream_that_answers_early_gets_no_other_request_though_it_took_all_of_the_first(gateway, upstream, client):
    """Many servers throw away a body only up to some size; what they leave would be their next request."""
    uploaded = threading.Event()

    def answer(connection, request):
        if request.method == "GET":
            connection.reply(body=request.target.encode())
            return
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\near")
        connection.read_body(request)
        uploaded.set()
        connection.send(b"ly!")

    behind = upstream(answer, whole=False)
    started = gateway(behind, workers=1)
    connection = client(started)
    connection.ask("POST", headers={"Transfer-Encoding": "chunked"}, body=b"5\r\nhello\r\n")
    head = connection.read_until(b"ear")
    assert b"Connection: close" in head
    connection.send(b"5\r\nworld\r\n0\r\n\r\n")
    assert uploaded.wait(10)
    assert connection.read_all() == b"ly!"
    assert client(started).request(target="/other").body == b"/other"
    assert len(behind.connections) == 2
