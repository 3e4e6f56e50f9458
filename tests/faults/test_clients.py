"""Clients that are many, idle or slow: what they cost, and what the others feel of them."""
import resource
import socket
import subprocess
import threading

import pytest

import process
from harness import Client
from world import IS_FULL, IS_ISOLATED, figures, is_under, memory_kib, wait_ms

IS_SANITIZED = process.IS_SANITIZED
SHARE = 10 if IS_SANITIZED else 1  # of the attack: such a build takes ten times as long for each of them
SLOW = (3000 if IS_FULL else 1500) // SHARE
IDLE = 9900 if IS_FULL else 3000
HALF_A_HEAD = b"GET /patient HTTP/1.1\r\nHost: hospital.example\r\nUser-Agent: patient/1.0\r\nX-Half: "


@pytest.fixture(autouse=True)
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def many_clients():
    """many_clients(port, count): connections that are closed in the end."""
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
    """The kernel's buffers for a client are bounded, or 1,000 slow readers are gigabytes that move before anybody is slow."""
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


# On a machine that is busy with other things the replicas get no processor, and requests wait for them longer than max_wait, slow
# readers or not. The short form asks who is refused, so there they may wait; the full form runs with the defaults.
MAY_WAIT = {} if IS_FULL else {"max_waiting": 4096, "max_wait": "10m"}


@pytest.mark.parametrize("kind", ["heads", "bodies", "readers"])
@pytest.mark.promise(f"{SLOW:,} slow clients, 500 more each second", "0 legitimate requests failed, p99 under 60 ms")
def test_slow_clients(proxy, load, many_clients, small_buffers, report, kind):
    started = proxy(upstream={"bulkhead": MAY_WAIT} if MAY_WAIT else {})
    opening = {"heads": HALF_A_HEAD, "readers": b"GET /patient/large HTTP/1.1\r\nHost: h\r\n\r\n",
               "bodies": b"POST /patient HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"}[kind]
    running = load(started, rate=200, seconds=SHARE * SLOW / 500 + (3 if IS_FULL else 2), connections=20)
    drip = Drip(kind == "readers")
    drip.start()
    for _ in range(SLOW * SHARE // 50):
        slow = many_clients(started.port, 50 // SHARE, receive_buffer=4096 if kind == "readers" else None)
        for one in slow:
            one.send(opening)
        drip.add(slow)
        wait_ms(100)
    result = running.result()
    drip.over.set()
    drip.join()
    report(figures(result), result["failed"] == 0 and is_under(result, 60), started.name)


@pytest.mark.skipif(IS_SANITIZED, reason="whether places are freed as fast as slow clients come is a matter of speed")
@pytest.mark.promise("3,000 slow readers of 1 MiB answers, 1,000 more each second, so many places",
                     "0 legitimate requests failed, p99 under 60 ms with 1,024")
@pytest.mark.parametrize("turn", range(10 if IS_FULL else 1))
@pytest.mark.parametrize("places", [100, 1024])
def test_slow_readers_come_fast(proxy, load, small_buffers, report, tmp_path, places, turn):
    """They fill all places before anybody can be seen to be slow."""
    started = proxy(upstream={"bulkhead": {"max_in_flight": places, **MAY_WAIT}})
    running = load(started, rate=200, seconds=10 if IS_FULL else 4, connections=20)
    attack = subprocess.Popen(["slowhttptest", "-c", "3000", "-r", "1000", "-l", "60", "-X", "-w", "1", "-y", "64", "-n", "1",
                               "-z", "16", "-k", "1", "-u", started.url + "/large"], cwd=tmp_path,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        result = running.result()
    finally:
        attack.terminate()
        attack.wait()
    report(figures(result), result["failed"] == 0 and (places < 1024 or is_under(result, 60)), started.name)


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's own memory would be measured")
@pytest.mark.promise(f"{IDLE:,} idle clients", "under 2 KiB each; under 10 KiB each with half a head")
def test_idle_clients(proxy, many_clients, report):
    started = proxy()
    for _ in range(20):
        Client(started.port).request(target="/patient")
    pids = started.pids()
    before = memory_kib(pids)
    idle = many_clients(started.port, IDLE)
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
