"""The gateway passes through: methods, bodies in both framings, the lengths of connections."""
import signal
import socket
import struct
import threading
import time

import pytest

from harness import until

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "M-SEARCH"])
def test_method_and_body_arrive(gateway, upstream, client, method):
    behind = upstream()
    response = client(gateway(behind)).request(method, "/patient/7?name=M%C3%BCller&x=", body=b"some body")
    assert (response.status, response.reason, response.body) == (200, "Some Reason", b"ok")
    (request,) = behind.requests
    assert (request.method, request.target, request.body) == (method, "/patient/7?name=M%C3%BCller&x=", b"some body")


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
def test_bodies_with_a_length(gateway, upstream, client, size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    behind = upstream(lambda connection, request: connection.reply(body=request.body))
    response = client(gateway(behind)).request("POST", headers={"Content-Length": size}, body=body)
    assert response.get("Content-Length") == str(size) and response.body == body
    assert behind.requests[0].get("Content-Length") == str(size)


def chunked(*parts, trailers=b""):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailers + b"\r\n"


def test_chunked_both_ways(gateway, upstream, client):
    def echo(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(request.body[:5], request.body[5:]))

    behind = upstream(echo)
    connection = client(gateway(behind))
    for _ in range(2):
        connection.ask("POST", headers={"Transfer-Encoding": "chunked"}, body=chunked(b"hello", b"x" * 100_000))
        assert connection.answer().body == b"hello" + b"x" * 100_000
    assert behind.requests[0].get("Content-Length") is None


def test_chunks_split_anywhere(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(body=request.body))
    connection = client(gateway(behind))
    connection.ask("POST", headers={"Transfer-Encoding": "chunked"})
    for byte in b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n":
        connection.send(bytes([byte]))
    assert connection.answer().body == b"hello"


def test_response_trailers_pass_or_are_dropped_whole(gateway, upstream, client):
    def answer(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
                        chunked(b"hello", trailers=b"X-Sum: 5\r\n"))

    connection = client(gateway(upstream(answer)))
    for _ in range(2):
        response = connection.request()
        assert response.body == b"hello"
        assert response.trailers in ([], [("X-Sum", "5")])


def test_response_until_close_becomes_chunked(gateway, upstream, client):
    def answer(connection, request):
        connection.send(b"HTTP/1.0 200 OK\r\n\r\n" + b"y" * 70_000)
        connection.close()

    connection = client(gateway(upstream(answer)))
    for _ in range(2):
        response = connection.request()
        assert response.get("Transfer-Encoding") == "chunked" and response.body == b"y" * 70_000


@pytest.mark.parametrize("method,status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_responses_without_a_body(gateway, upstream, client, method, status):
    behind = upstream(lambda connection, request: connection.reply(status, b"" if request.method == "GET" else b""))
    connection = client(gateway(behind))
    for _ in range(2):
        assert connection.request(method).status == status
    assert len(behind.connections) == 1


def test_head_keeps_the_length_a_get_would_have(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"))
    connection = client(gateway(behind))
    assert [connection.request("HEAD").get("Content-Length") for _ in range(2)] == ["1234", "1234"]


def test_keep_alive_on_both_sides(gateway, upstream, client):
    behind = upstream()
    connection = client(gateway(behind, workers=1))
    for number in range(20):
        assert connection.request(target=f"/{number}").body == b"ok"
    assert len(behind.connections) == 1
    assert [request.target for request in behind.requests] == [f"/{number}" for number in range(20)]


def test_pipelined_requests_are_answered_in_order(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(body=request.target.encode() + request.body))
    connection = client(gateway(behind))
    connection.send(b"".join(b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n%02d" % (n, n) for n in range(50)))
    assert [connection.answer().body for _ in range(50)] == [b"/%d%02d" % (n, n) for n in range(50)]


def test_half_closed_client_gets_all_its_answers(gateway, upstream, client):
    release = threading.Event()

    def answer(connection, request):
        release.wait(10)
        connection.reply(body=request.target.encode())

    behind = upstream(answer)
    connection = client(gateway(behind))
    connection.send(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
    connection.half_close()
    behind.wait_for(1)
    release.set()
    assert [connection.answer().body, connection.answer().body] == [b"/1", b"/2"]
    assert connection.is_closed()


def test_half_closed_client_within_a_body_is_not_waited_for(gateway, upstream, client):
    """Its end is read while the requests before still wait for their turns."""
    started = gateway(upstream(), [{"path": "/served"}], workers=1)
    connection = client(started)
    connection.send(b"GET")
    client(started).request()  # after that the beginning has been read
    started.signal(signal.SIGSTOP)
    connection.send(b" / HTTP/1.1\r\nHost: h\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 9 +
                    b"PUT /served HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")
    connection.half_close()
    started.signal(signal.SIGCONT)
    assert [line["outcome"] for line in started.log(12)] == ["not_found"] * 11 + ["client_aborted"]


def test_http_1_0_client(gateway, upstream, client):
    def answer(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello"))

    behind = upstream(answer)
    started = gateway(behind)
    response = client(started).request(version="HTTP/1.0")
    assert response.get("Transfer-Encoding") is None and response.body == b"hello"
    assert behind.requests[0].version == "HTTP/1.1"
    behind.handler = lambda connection, request: connection.reply()
    kept = client(started)
    for _ in range(2):
        response = kept.request(version="HTTP/1.0", headers={"Connection": "keep-alive"})
        assert response.body == b"ok" and response.get("Connection").lower() == "keep-alive"


def test_connection_close_is_honoured(gateway, upstream, client):
    behind = upstream()
    connection = client(gateway(behind, workers=1))
    response = connection.request(headers={"Connection": "close"})
    assert response.get("Connection") == "close" and connection.is_closed()
    assert behind.requests[0].get("Connection") is None


@pytest.mark.parametrize("what", ["whole", "chunked", "until the close", "the gateway's own"])
def test_the_end_of_the_connection_goes_in_the_last_packet(gateway, upstream, client, what):
    """A client with a connection of its own pays for a packet less: without data come SYN-ACK and, of a connection that is new, that the
    request was heard, but no FIN."""
    def answer(connection, request):
        if what == "whole":
            connection.reply(body=b"x" * 100)
        elif what == "chunked":
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 100))
        else:
            connection.send(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100)
            connection.close()

    started = gateway(upstream(answer))
    without_data = set()
    for _ in range(5):  # on a busy machine one more may say so again
        asking = client(started)
        asking.ask(headers={"Connection": "close"}, version="HTTP/9" if what == "the gateway's own" else "HTTP/1.1")
        assert asking.answer().get("Connection") == "close"
        assert asking.read_all() == b""
        info = asking.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
        all_segments, data_segments = (struct.unpack_from("I", info, at)[0] for at in (140, 152))
        without_data.add(all_segments - data_segments)
    assert min(without_data) <= 2


def test_expect_100_continue_is_answered_by_the_upstream(gateway, upstream, client):
    def answer(connection, request):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.reply(body=connection.read_body(request))

    behind = upstream(answer, whole=False)
    connection = client(gateway(behind))
    connection.ask("POST", headers={"Expect": "100-continue", "Content-Length": 5})
    assert connection.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    connection.send(b"hello")
    assert connection.answer().body == b"hello"


def test_a_client_that_waits_to_be_told_to_go_on_is_not_late(gateway, upstream, client):
    def answer(connection, request):
        time.sleep(1.5)
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.reply(body=connection.read_body(request))

    connection = client(gateway(upstream(answer, whole=False), limits={"body_timeout": "1s"}))
    connection.ask("POST", headers={"Expect": "100-continue", "Content-Length": 5})
    assert connection.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    connection.send(b"hello")
    assert connection.answer().body == b"hello"


def test_103_passes(gateway, upstream, client):
    def answer(connection, request):
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        connection.reply()

    response = client(gateway(upstream(answer))).request()
    assert [(one.status, one.get("Link")) for one in response.interim] == [(103, "</style.css>")]


def test_early_response_to_a_body_still_on_its_way(gateway, upstream, client):
    def answer(connection, request):
        connection.reply(413, b"too much", headers=[("Connection", "close")])
        connection.read_body(request)

    connection = client(gateway(upstream(answer, whole=False)))
    connection.ask("POST", headers={"Content-Length": 2_000_000}, body=b"x" * 1000)
    response = connection.answer()
    assert (response.status, response.body) == (413, b"too much")


def test_upgrade_makes_a_tunnel_both_ways(gateway, upstream, client):
    def answer(connection, request):
        assert request.get("Upgrade") == "websocket" and request.get("Connection").lower() == "upgrade"
        connection.send(SWITCHING + b"first words")
        connection.send(connection.read(5).upper())
        connection.send(connection.read(100_000))
        assert not connection.more()
        connection.send(b"last words")
        connection.close()

    connection = client(gateway(upstream(answer)))
    connection.ask(headers={"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "abc"})
    response = connection.answer()
    assert response.status == 101 and response.get("Upgrade") == "websocket"
    assert connection.read(11) == b"first words"
    connection.send(b"hello")
    assert connection.read(5) == b"HELLO"
    connection.send(b"z" * 100_000)
    assert connection.read(100_000) == b"z" * 100_000
    connection.half_close()
    assert connection.read_all() == b"last words"


def test_the_end_of_a_client_before_its_tunnel_is_passed_on(gateway, upstream, client):
    may_switch = threading.Event()

    def answer(connection, request):
        if request.target != "/tunnel":
            connection.reply()
            return
        may_switch.wait(10)
        connection.send(SWITCHING)
        assert not connection.more()
        connection.send(b"last words")
        connection.close()

    started = gateway(upstream(answer), workers=1)
    connection = client(started)
    connection.request()
    connection.ask(target="/tunnel", headers=UPGRADE)
    connection.half_close()
    client(started).request()  # after that the gateway has seen the end
    may_switch.set()
    assert connection.answer().status == 101
    assert connection.read_all() == b"last words"


def send_held_back(connection, data, held_back):
    """All of it; says so when none of it was taken for six seconds."""
    left = memoryview(data)
    connection.socket.settimeout(6)
    while left:
        try:
            left = left[connection.socket.send(left):]
        except TimeoutError:
            held_back.set()
            connection.socket.settimeout(60)


def test_a_tunnel_waits_for_a_client_that_rests(gateway, upstream, client):
    total, held_back = 64 * 1024 * 1024, threading.Event()

    def answer(connection, request):
        send_held_back(connection, SWITCHING + b"t" * total, held_back)
        assert not connection.more()

    connection = client(gateway({"patient": {"url": upstream(answer), "timeouts": {"idle": "3s"}}}), receive_buffer=65536)
    connection.ask(headers=UPGRADE)
    assert held_back.wait(30)
    assert connection.answer().status == 101
    assert len(connection.read(total)) == total


@pytest.mark.parametrize("head, fields", [(SWITCHING, UPGRADE), (b"HTTP/1.1 200 OK\r\n\r\n", {"Content-Length": 1 << 20})],
                         ids=["tunnel", "answered early"])
def test_a_client_that_takes_nothing_is_cut_though_it_goes_on_sending(gateway, upstream, client, head, fields):
    """Bytes that wait for it are kept in memory."""
    def answer(connection, request):
        threading.Thread(target=connection.more, daemon=True).start()
        try:
            connection.send(head + b"t" * (64 << 20))
        except OSError:
            pass

    started = gateway(upstream(answer, whole=False), limits={"write_timeout": "500ms"})
    connection = client(started, receive_buffer=65536)
    connection.ask("POST", headers=fields)

    def is_cut():
        try:
            connection.send(b"x")
        except OSError:
            return True

    until(is_cut, "the end of the connection")
    assert started.log(1)[0]["outcome"] == "client_stalled"


def test_slow_client_holds_the_upstream_back(gateway, upstream, client):
    total, sent = 200 * 1024 * 1024, []

    def answer(connection, request):
        connection.socket.settimeout(1)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        block = b"b" * 65536
        try:
            for _ in range(total // len(block)):
                connection.socket.sendall(block)
                sent.append(len(block))
        except TimeoutError:
            sent.append(None)

    behind = upstream(answer)
    connection = client(gateway(behind), receive_buffer=65536)
    connection.ask()
    until(lambda: sent and sent[-1] is None, "the upstream is held back", 30)
    assert sum(filter(None, sent)) < 40 * 1024 * 1024
    connection.reset()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upstream_is_not_late_while_its_client_rests(gateway, upstream, client, framing):
    """For twice timeouts.idle nothing is read of the response, as the client takes nothing."""
    total, held_back = 64 * 1024 * 1024, threading.Event()
    head, body = {"length": (b"Content-Length: %d" % total, b"b" * total),
                  "chunked": (b"Transfer-Encoding: chunked", b"%x\r\n" % total + b"b" * total + b"\r\n0\r\n\r\n")}[framing]

    def answer(connection, request):
        send_held_back(connection, b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body, held_back)

    started = gateway({"patient": {"url": upstream(answer), "timeouts": {"idle": "3s"}, "ejection": {"consecutive_failures": 1}}})
    connection = client(started, receive_buffer=65536)
    connection.ask()
    assert held_back.wait(30)
    assert len(connection.answer().body) == total
    assert started.log(1)[0]["outcome"] == "answered"
    assert not started.has_said("is ejected")


def take_slowly(connection, total):
    """The kernel keeps megabytes of it meanwhile, and it asks for more only when a third of them has gone."""
    took = 0
    while took < total:
        if took < 4 << 20:
            time.sleep(0.05)
        took += len(connection.take(1 << 16) or connection.socket.recv(1 << 16))


def test_a_client_that_takes_little_is_not_one_that_takes_nothing(gateway, upstream, client):
    total = 32 << 20
    behind = upstream(lambda connection, request: connection.reply(body=bytes(total)))
    started = gateway(behind, limits={"write_timeout": "500ms"})
    connection = client(started)
    connection.ask()
    connection.read_until(b"\r\n\r\n")
    take_slowly(connection, total)
    assert started.log(1)[0]["outcome"] == "answered"


def test_an_upstream_that_takes_little_is_not_one_that_takes_nothing(gateway, upstream, client):
    total = 32 << 20

    def answer(connection, request):
        take_slowly(connection, total)
        connection.reply()

    started = gateway({"patient": {"url": upstream(answer, whole=False), "timeouts": {"idle": "500ms"}}})
    connection = client(started)
    connection.socket.settimeout(30)
    assert connection.request("POST", body=bytes(total)).status == 200


def test_an_upstream_is_not_late_while_its_client_takes_no_interim_response(gateway, upstream, client):
    hint = b"HTTP/1.1 103 Early Hints\r\n" + b"".join(b"Link: %s\r\n" % (b"a" * 7000) for _ in range(8)) + b"\r\n"

    def answer(connection, request):
        if request.target == "/hints":
            connection.send(hint * 16)
        connection.reply(body=bytes(100_000))

    started = gateway({"patient": {"url": upstream(answer), "timeouts": {"response": "1s", "total": "1500ms"}, "retry": {"attempts": 0},
                                   "ejection": {"consecutive_failures": 1}, "breaker": {"slow_call": "900ms"}}}, workers=1)

    def ask(connection, target="/"):
        """Without reading anything; is all of the answer taken from the gateway within more than timeouts.total?"""
        count = len(started.lines)
        connection.ask(target=target)
        end = time.monotonic() + 2
        while len(started.lines) == count and time.monotonic() < end:
            time.sleep(0.01)
        return len(started.lines) > count

    first, second = client(started, receive_buffer=4096), client(started, receive_buffer=4096)
    fitting = 0
    while ask(first):
        fitting += 1
    first.reset()
    started.log(fitting + 1)
    for _ in range(fitting - 2):
        assert ask(second)
    assert not ask(second, "/hints")
    for _ in range(fitting - 2):
        second.answer()
    response = second.answer()
    assert response.status == 200 and len(response.interim) == 16
    assert not started.has_said("is ejected")
    assert [started.breaker()[kind] for kind in ("failedCalls", "slowCalls")] == [0, 0]


def test_slow_upstream_holds_the_client_back(gateway, upstream, client):
    release = threading.Event()

    def answer(connection, request):
        release.wait(60)
        connection.reply(body=str(len(connection.read_body(request))).encode())

    connection = client(gateway(upstream(answer, whole=False, receive_buffer=65536)))
    total, sent, block = 64 * 1024 * 1024, 0, b"c" * 65536
    connection.ask("POST", headers={"Content-Length": total})
    connection.socket.settimeout(1)
    try:
        while sent < total:
            sent += connection.socket.send(block[:total - sent])
    except TimeoutError:
        pass
    assert sent < 40 * 1024 * 1024
    connection.socket.settimeout(30)
    release.set()
    while sent < total:
        sent += connection.socket.send(block[:total - sent])
    assert connection.answer().body == str(total).encode()


@pytest.mark.parametrize("end", ["stays open", "is closed"])
def test_an_urgent_byte_stops_no_worker(gateway, upstream, client, end):
    """splice() stops in front of it, and the kernel goes on reporting that there is something to read. When the connection has been
    closed, too, splice() says that this is the end."""
    length, last = 1 << 20, 2000

    def answer(connection, request):
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + b"a" * (length - last))
        assert go_on.wait(30)
        connection.socket.send(b"!", socket.MSG_OOB)
        connection.send(b"b" * last)
        if end == "is closed":
            connection.half_close()
        sent.set()

    go_on, sent = threading.Event(), threading.Event()
    started = gateway(upstream(answer), workers=1)
    connection = client(started)
    connection.ask()
    connection.read_until(b"\r\n\r\n")
    assert connection.read(length - last) == b"a" * (length - last)
    started.signal(signal.SIGSTOP)
    go_on.set()
    assert sent.wait(30)
    started.signal(signal.SIGCONT)
    assert connection.read(last) == b"b" * last
