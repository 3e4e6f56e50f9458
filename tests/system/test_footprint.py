"""Memory stays small: with ten thousand idle clients, and with bodies far larger than it. Both ends of the large transfers are
processes of their own, or Python would be what is measured."""
import multiprocessing
import os
import socket
import time
import zlib

import pytest

import process
from harness import Client
from process import memory

MIB = 1024 * 1024
LARGE = int(os.environ.get("LARGE_MIB", "4096")) * MIB
BLOCK = bytes(range(256)) * 4096  # 1 MiB

pytestmark = pytest.mark.skipif(process.IS_SANITIZED, reason="a sanitizer's own memory would be measured")


def checksum_of(size):
    checksum = 0
    for _ in range(size // MIB):
        checksum = zlib.crc32(BLOCK, checksum)
    return checksum


def accept_head(listener):
    connection, _ = listener.accept()
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65536)
    return connection, got.split(b"\r\n\r\n", 1)[1]


def send_large(listener):
    """An upstream that answers one request with LARGE bytes."""
    connection, _ = accept_head(listener)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
    for _ in range(LARGE // MIB):
        connection.sendall(BLOCK)
    connection.recv(1)


def take_large(listener, result):
    """An upstream that takes one chunked body, whatever the chunks, and tells what it was."""
    connection, held = accept_head(listener)
    stream = connection.makefile("rb", buffering=2 * MIB)
    pushed = memoryview(held)
    checksum = size = 0

    def read(length=None):
        nonlocal pushed
        if length is None:
            line = b""
            while not line.endswith(b"\n"):
                line += read(1)
            return line
        early, pushed = bytes(pushed[:length]), pushed[length:]
        return early + stream.read(length - len(early)) if len(early) < length else early

    while chunk := int(read(), 16):
        checksum = zlib.crc32(read(chunk), checksum)
        size += chunk
        read(2)
    read(2)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    result.send((size, checksum))
    connection.recv(1)


def put_large(port):
    """A client that sends LARGE bytes in chunks of 1 MiB."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"PUT /big HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    framed = b"%x\r\n" % MIB + BLOCK + b"\r\n"
    for _ in range(LARGE // MIB):
        connection.sendall(framed)
    connection.sendall(b"0\r\n\r\n")
    assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def listener():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


@pytest.fixture
def child():
    """child(function, *arguments): runs in a process of its own."""
    started = []

    def start(function, *arguments):
        started.append(multiprocessing.Process(target=function, args=arguments, daemon=True))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.join()


def url(listener):
    return "http://127.0.0.1:%d" % listener.getsockname()[1]


def test_ten_thousand_idle_clients(gateway, upstream):
    clients = []
    server = upstream()
    running = gateway({"u": server.url}, [{"path": "/", "upstream": "u"}], limits={"connections": 12000}, access_log="off")

    def fill(count):
        while len(clients) < count:
            clients.append(Client(running.port))
            assert clients[-1].request().status == 200
        return memory(running, "VmRSS")

    before, resident = fill(100), fill(10000)
    each = (resident - before) / 9900
    print(f"\n10,000 idle clients: {resident / MIB:.1f} MiB resident, {each:.0f} bytes each")
    for one in clients:
        one.close()
    assert resident < 20 * MIB and each <= 600


def test_large_upload(gateway, listener, child):
    running = gateway({"u": url(listener)}, [{"path": "/", "upstream": "u"}])
    here, there = multiprocessing.Pipe(False)
    child(take_large, listener, there)
    sender = child(put_large, running.port)
    assert here.recv() == (LARGE, checksum_of(LARGE))
    sender.join()
    assert sender.exitcode == 0
    most = memory(running, "VmHWM")
    print(f"\nupload of {LARGE // MIB} MiB in chunks: at most {most / MIB:.1f} MiB resident")
    assert most < 32 * MIB


def test_large_download_by_a_throttled_client(gateway, listener, child):
    running = gateway({"u": url(listener)}, [{"path": "/", "upstream": "u"}])
    child(send_large, listener)
    client = Client(running.port, receive_buffer=65536)
    client.ask()
    client.read_until(b"\r\n\r\n")
    size, checksum, pause_at = len(client.held), zlib.crc32(client.held), 0
    room = memoryview(bytearray(MIB))
    while size < LARGE:
        got = client.socket.recv_into(room)
        assert got > 0
        size += got
        checksum = zlib.crc32(room[:got], checksum)
        if size >= pause_at:  # the upstream is always ahead
            time.sleep(0.001)
            pause_at += 4 * MIB
    assert (size, checksum) == (LARGE, checksum_of(LARGE))
    most = memory(running, "VmHWM")
    print(f"\ndownload of {LARGE // MIB} MiB: at most {most / MIB:.1f} MiB resident")
    assert most < 32 * MIB
