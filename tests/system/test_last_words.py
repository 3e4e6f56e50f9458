"""An end, be it a FIN or a reset, reaches the other side behind all that was sent before it: nothing that a peer has said is lost
because it takes no more, or because the other side is slow."""
import concurrent.futures
import contextlib
import fcntl
import os
import signal
import socket
import termios
import threading

import pytest

from harness import GUARD, Client, until

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}
UPLOAD_BYTES = int(os.environ.get("UPLOAD_BYTES", 30_000_000))
HELD_BACK_S, TCP_FIN_WAIT2 = 0.3, 5


def send_until_held_back(wire, data):
    """Returns what nobody has taken for a while."""
    left = memoryview(data)
    wire.socket.settimeout(HELD_BACK_S)
    with contextlib.suppress(TimeoutError):
        while left:
            left = left[wire.socket.send(left):]
    wire.socket.settimeout(GUARD)
    return left


@contextlib.contextmanager
def standing_still(gateway):
    """It sees everything that happens meanwhile at once."""
    gateway.signal(signal.SIGSTOP)
    yield
    gateway.signal(signal.SIGCONT)


# ---- uploads ----------------------------------------------------------------------------------------------------------------


class Refusing:
    """A service that reads the head of an upload, waits until nothing more of it fits anywhere, answers, and closes with bytes
    unread: its kernel sends a reset behind the answer."""

    def __init__(self):
        self.held_back = {}

    def expect(self, target):
        self.held_back[target] = threading.Event()
        return self.held_back[target]

    def __call__(self, connection, request):
        assert self.held_back[request.target].wait(60)
        connection.reply(401, b"who are you? " + request.target.encode(), headers=[("Connection", "close")])
        connection.close()


def upload(gateway, held_back, target, is_chunked, sends_all_first):
    client = Client(gateway.port)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    client.ask("POST", target, headers={"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": UPLOAD_BYTES})
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (UPLOAD_BYTES, bytes(UPLOAD_BYTES)) if is_chunked else bytes(UPLOAD_BYTES)
    left = send_until_held_back(client, body)
    held_back.set()
    if sends_all_first:
        client.send(bytes(left))
    response = client.answer()
    client.close()
    return response.status, response.body


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("workers", [1, 2])
def test_each_refused_upload_gets_the_services_answer(gateway, upstream, workers, is_chunked):
    service = Refusing()
    started = gateway(upstream(service, whole=False, receive_buffer=65536), workers=workers)
    targets = [f"/{number}" for number in range(40)]
    expected = [(401, f"who are you? {target}".encode()) for target in targets]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        uploads = [pool.submit(upload, started, service.expect(target), target, is_chunked, number % 4 == 0)
                   for number, target in enumerate(targets)]
        assert [each.result() for each in uploads] == expected
    breaker = started.breaker()
    assert (breaker["state"], breaker["failedCalls"]) == ("CLOSED", 0)
    assert {(line["outcome"], line["attempts"]) for line in started.log(40)} == {("answered", 1)}


def upload_during_response(gateway, service, client, go_on, closed):
    """The service's response begins, its upload stands still, and while the gateway sees nothing the service closes."""
    started = gateway(service, workers=1)
    connection = client(started)
    connection.ask("POST", headers={"Content-Length": UPLOAD_BYTES})
    connection.read_until(b"a" * 1000)
    send_until_held_back(connection, bytes(UPLOAD_BYTES))
    with standing_still(started):
        go_on.set()
        assert closed.wait(30)
    return started, connection


@pytest.mark.parametrize("framing", [b"Content-Length: 2000\r\n", b""], ids=["length", "until close"])
def test_a_response_under_way_is_whole_though_the_upload_is_not_taken(gateway, upstream, client, framing):
    go_on, closed = threading.Event(), threading.Event()

    def answer(connection, request):
        connection.send(b"HTTP/1.1 413 Too Large\r\n" + framing + b"\r\n" + b"a" * 1000)
        assert go_on.wait(30)
        connection.send(b"b" * 1000)
        if not framing:
            connection.half_close()  # this body ends with a FIN; the reset comes behind it
            until(lambda: connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_FIN_WAIT2, "its ACK")
        connection.close()
        closed.set()

    started, connection = upload_during_response(gateway, upstream(answer, whole=False, receive_buffer=65536), client, go_on, closed)
    assert connection.read_until(b"b" * 1000)
    if not framing:
        assert connection.read_until(b"0\r\n\r\n")
    (line,) = started.log(1)
    assert (line["outcome"], line["status"]) == ("answered", 413)
    assert started.breaker()["failedCalls"] == 0


def test_a_body_that_a_reset_cut_is_not_whole_though_a_send_was_told_of_it(gateway, upstream, client):
    """The kernel tells of a reset once; the read behind it looks like a FIN."""
    go_on, closed = threading.Event(), threading.Event()

    def answer(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 1000)
        assert go_on.wait(30)
        connection.reset()
        closed.set()

    started, connection = upload_during_response(gateway, upstream(answer, whole=False, receive_buffer=65536), client, go_on, closed)
    assert b"0\r\n\r\n" not in connection.read_all()
    assert started.log(1)[0]["outcome"] == "response_cut"


# ---- responses that break off -----------------------------------------------------------------------------------------------


BROKEN = b"b" * 1_500_000
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"


def read_to_the_reset(wire):
    with pytest.raises(ConnectionResetError):
        while wire.more():
            pass
    return wire.take(len(wire.held))


def chunks_in(wire):
    """Of a body without a last chunk, to its end."""
    data = bytearray()
    with contextlib.suppress(EOFError):
        while size := int(wire.read_until(b"\r\n"), 16):
            data += wire.read(size)
            assert wire.read(2) == b"\r\n"
        raise AssertionError("the last chunk is there: it looks whole")
    assert not wire.held
    return bytes(data)


@pytest.mark.parametrize("head, end, version, read", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", "close", "HTTP/1.1", Client.read_all),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", "reset", "HTTP/1.1", Client.read_all),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1e8480\r\n", "close", "HTTP/1.1", chunks_in),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1e8480\r\n", "close", "HTTP/1.0", read_to_the_reset),
    (ENDLESS, "reset", "HTTP/1.1", chunks_in),
    (ENDLESS, "reset", "HTTP/1.0", read_to_the_reset),
], ids=["length", "length, reset", "chunked", "chunked, to HTTP/1.0", "until close", "until close, to HTTP/1.0"])
def test_all_that_was_received_of_a_response_reaches_a_slow_client(gateway, upstream, client, head, end, version, read):
    """... and then an end that can't be taken for that of the whole."""
    reading = threading.Event()

    def answer(connection, request):
        connection.send(head)
        connection.socket.settimeout(30)
        connection.send(BROKEN)
        if end == "reset":  # it makes the kernel drop what is still on its way
            until(lambda: fcntl.ioctl(connection.socket, termios.TIOCOUTQ, bytes(4)) == bytes(4), "all ACKs", 30)
        getattr(connection, end)()

    started = gateway(upstream(answer))
    connection = client(started, receive_buffer=65536)
    connection.ask(version=version)
    threading.Timer(0.5, reading.set).start()
    assert reading.wait(30)  # until then it takes nothing, and all buffers on the way are full
    connection.read_until(b"\r\n\r\n")
    assert read(connection) == BROKEN
    assert started.log(1)[0]["outcome"] == "response_cut"
    assert started.breaker()["failedCalls"] == 1


@pytest.mark.parametrize("broken", [b"0x5\r\n", b"0\r\nX Trailer: v\r\n\r\n"], ids=["size", "trailers"])
def test_chunks_before_broken_framing_reach_the_client(gateway, upstream, client, broken):
    """... though both came in one piece."""
    go_on = threading.Event()

    def answer(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        assert go_on.wait(30)
        connection.send(b"3\r\ndef\r\n" + broken)

    started = gateway(upstream(answer))
    connection = client(started)
    connection.ask()
    connection.read_until(b"abc")
    go_on.set()
    connection.read_until(b"\r\n")
    assert chunks_in(connection) == b"def"
    assert started.log(1)[0]["outcome"] == "response_invalid"


def test_bytes_received_before_a_response_stalled_reach_its_client(gateway, upstream, client):
    release = threading.Event()

    def answer(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(1000))
        release.wait(30)

    started = gateway({"patient": {"url": upstream(answer), "timeouts": {"idle": "200ms"}}})
    connection = client(started)
    connection.ask()
    connection.read_until(b"\r\n\r\n")
    assert connection.read_all() == bytes(1000)
    release.set()
    assert started.log(1)[0]["outcome"] == "response_stalled"


def test_an_upstream_that_gives_up_on_a_client_that_does_not_read_is_not_blamed(gateway, upstream):
    """Many clients let their answers stand until the service's write timeout cuts them, and then take what is there."""
    gave_up = threading.Semaphore(0)
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + bytes(50_000_000)

    def answer(connection, request):
        if request.target == "/well":
            connection.reply()
            return
        connection.socket.settimeout(4)  # for all of it, so a busy machine needs some
        try:
            connection.send(large)
        except TimeoutError:
            connection.reset()
            gave_up.release()

    settings = {"url": upstream(answer), "breaker": {"minimum_calls": 5}, "ejection": {"consecutive_failures": 1}}
    started = gateway({"patient": settings})
    stuck = [Client(started.port, receive_buffer=65536) for _ in range(24)]
    for each in stuck:
        each.ask()
    for each in stuck:
        assert gave_up.acquire(timeout=60)
    for each in stuck:
        each.read_until(b"\r\n\r\n")
        assert len(each.read_all()) < 50_000_000
        each.close()
    assert {line["outcome"] for line in started.log(24)} == {"response_cut"}
    assert started.breaker()["failedCalls"] == 0 and not started.has_said("ejected")
    well = Client(started.port)
    assert well.request(target="/well").status == 200
    well.close()


# ---- tunnels ----------------------------------------------------------------------------------------------------------------


def open_tunnel(connection):
    connection.ask(headers=UPGRADE)
    assert connection.answer().status == 101


@pytest.mark.parametrize("is_pending", [True, False], ids=["bytes are pending", "a send fails"])
def test_the_last_words_of_a_service_in_a_tunnel(gateway, upstream, client, is_pending):
    go_on, closed = threading.Event(), threading.Event()

    def answer(connection, request):
        connection.send(SWITCHING)
        assert go_on.wait(30)
        connection.send(b"l" * 900)
        if is_pending:
            connection.close()  # with bytes unread
        else:
            connection.reset()
        closed.set()

    started = gateway(upstream(answer, receive_buffer=65536), workers=1)
    connection = client(started)
    open_tunnel(connection)
    if is_pending:
        send_until_held_back(connection, bytes(UPLOAD_BYTES))
    with standing_still(started):
        if not is_pending:
            connection.send(b"c" * 100_000)
        go_on.set()
        assert closed.wait(30)
    assert read_to_the_reset(connection) == b"l" * 900
    assert started.log(1)[0]["outcome"] == "upgraded"


@pytest.mark.parametrize("is_pending", [True, False], ids=["bytes are pending", "a send fails"])
def test_the_last_words_of_a_client_in_a_tunnel(gateway, upstream, client, is_pending):
    held_back, got = threading.Event(), []

    def answer(connection, request):
        connection.send(SWITCHING)
        if is_pending:
            send_until_held_back(connection, bytes(UPLOAD_BYTES))
        held_back.set()
        connection.socket.settimeout(30)
        got.append(read_to_the_reset(connection))

    service = upstream(answer)
    started = gateway(service, workers=1)
    connection = client(started, receive_buffer=65536)
    open_tunnel(connection)
    assert held_back.wait(30)
    (upstream_end,) = service.connections
    with standing_still(started):
        if not is_pending:
            upstream_end.send(b"s" * 100_000)
        connection.send(b"l" * 900)
        connection.close() if is_pending else connection.reset()
    until(lambda: got, "the end at the service")
    assert got == [b"l" * 900]
    assert started.log(1)[0]["outcome"] == "client_aborted"


@pytest.mark.parametrize("sends_all", [True, False], ids=["in the kernel", "more than the service's kernel takes"])
def test_a_tunnel_without_its_client_ends_though_the_service_goes_on_sending(gateway, upstream, client, sends_all):
    """The service reads nothing, so what the client sent can't come to it; what it sends says only that it lives."""
    ended = threading.Event()

    def answer(connection, request):
        connection.send(SWITCHING)
        with contextlib.suppress(OSError):
            while True:
                connection.send(b"tick")
                threading.Event().wait(0.05)
        ended.set()

    started = gateway({"patient": {"url": upstream(answer, receive_buffer=4096), "timeouts": {"idle": "2s"}}},
                      limits={"write_timeout": "1s"}, workers=1)
    connection = client(started)
    open_tunnel(connection)
    send_until_held_back(connection, bytes((1 << 20) if sends_all else UPLOAD_BYTES))
    connection.reset()
    assert ended.wait(GUARD)
    until(lambda: started.metrics().sum("gateway_tunnels_open") == 0, "the tunnel is gone")
