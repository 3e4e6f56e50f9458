"""Clients that are many, idle or slow: what they cost, and what the others feel of them."""
import resource
import socket
import threading

import pytest

import process
from harness import Client
from world import IS_FULL, IS_ISOLATED, figures, is_under, memory_kib, wait_ms

IS_SANITIZED = process.IS_SANITIZED
SLOW = 3000 if IS_FULL else 1500
IDLE = 9900 if IS_FULL else 3000
HALF_A_HEAD = b"GET /patient HTTP/1.1\r\nHost: hospital.example\r\nUser-Agent: patient/1.0\r\nX-Half: "


@pytest.fixture(autouse=True)
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def crowd():
    """crowd(port, count): connections that are closed in the end."""
    opened = []

    def connect(port, count, receive_buffer=None):
        made = []
        for _ in range(count):
            one = socket.socket()
            opened.append(one)
            if receive_buffer:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            one.settimeout(10)
            one.connect(("127.0.0.1", port))
            made.append(one)
        return made

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def small_buffers():
    """What the kernel keeps for a client is bounded, or 1,000 slow readers are gigabytes that move before anybody is slow."""
    path = "/proc/sys/net/ipv4/tcp_wmem"
    if not IS_ISOLATED:
        yield
        return
    with open(path) as file:
        before = file.read()
    with open(path, "w") as file:
        file.write("4096 16384 65536")
    yield
    with open(path, "w") as file:
        file.write(before)


class Drip(threading.Thread):
    """Each connection sends, or reads, one more byte about every second."""

    def __init__(self, is_reading):
        super().__init__(daemon=True)
        self.sockets, self.is_reading, self.over = [], is_reading, threading.Event()

    def add(self, sockets):
        for one in sockets:
            one.setblocking(False)
        self.sockets = self.sockets + sockets

    def run(self):
        turn = 0
        while not self.over.wait(0.1):
            turn += 1
            for one in self.sockets[turn % 10::10]:
                try:
                    if self.is_reading:
                        one.recv(1)
                    else:
                        one.send(b"a")
                except OSError:
                    pass  # nothing is there yet, or it had to go


@pytest.mark.parametrize("kind", ["heads", "bodies", "readers"])
@pytest.mark.promise(f"{SLOW:,} slow clients, 500 more each second", "0 legitimate requests failed, p99 under 60 ms")
def test_slow_clients(proxy, load, crowd, small_buffers, report, kind):
    started = proxy()
    opening = {"heads": HALF_A_HEAD, "readers": b"GET /patient/large HTTP/1.1\r\nHost: h\r\n\r\n",
               "bodies": b"POST /patient HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"}[kind]
    running = load(started, rate=200, seconds=SLOW / 500 + (3 if IS_FULL else 2), connections=20)
    drip = Drip(kind == "readers")
    drip.start()
    for _ in range(SLOW // 50):
        slow = crowd(started.port, 50, receive_buffer=4096 if kind == "readers" else None)
        for one in slow:
            one.send(opening)
        drip.add(slow)
        wait_ms(100)
    result = running.result()
    drip.over.set()
    drip.join()
    report(figures(result), result["failed"] == 0 and is_under(result, 60), started.name)


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's own memory would be measured")
@pytest.mark.promise(f"{IDLE:,} idle clients", "under 2 KiB each; under 10 KiB each with half a head")
def test_idle_clients(proxy, crowd, report):
    started = proxy()
    for _ in range(20):
        Client(started.port).request(target="/patient")
    pids = started.pids()
    before = memory_kib(pids)
    idle = crowd(started.port, IDLE)
    for one in idle:
        one.send(b"GET /patient HTTP/1.1\r\nHost: h\r\n\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 200 ")
    each = (memory_kib(pids) - before) / IDLE
    for one in idle:
        one.send(HALF_A_HEAD)
    probe = Client(started.port)
    assert probe.request(target="/patient").status == 200
    wait_ms(300)
    each_with_half = (memory_kib(pids) - before) / IDLE
    report(f"{each:.2f} KiB each idle, {each_with_half:.2f} KiB each with half a head", each < 2 and each_with_half < 10,
           started.name)
