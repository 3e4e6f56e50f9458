"""Clients that do what any client may, each in its way, to a service with few threads: they neither open its breaker nor keep it
open, eject no replica, and make no honest request fail."""
import collections
import os
import subprocess
import sys
import threading
import time

import pytest

import harness
from harness import Client, until
from world import ADDRESSES, HERE, IS_FULL, figures

ATTACKERS, HONEST, THREADS = 20, 50, 8
SECONDS = 60 if IS_FULL else 5
HEAD = b"POST /patient HTTP/1.1\r\nHost: h\r\n"


class Threads:
    """Two replicas of threads.py; they fail while `is_broken`."""

    def __init__(self, folder):
        self.broken = os.path.join(folder, "broken")
        self.port = harness.free_port(*ADDRESSES[:2])
        self.replicas = [collections.namedtuple("Replica", "address")(address) for address in ADDRESSES[:2]]
        self.processes = [subprocess.Popen([sys.executable, os.path.join(HERE, "threads.py"), "--listen",
                                            f"{replica.address}:{self.port}", "--threads", str(THREADS), "--fail-while",
                                            self.broken], stdout=subprocess.PIPE, text=True) for replica in self.replicas]
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"

    def fail(self):
        with open(self.broken, "w"):
            pass

    def recover(self):
        os.unlink(self.broken)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture
def service(tmp_path):
    started = Threads(tmp_path)
    yield started
    started.stop()


def pause(over, seconds):
    """False: it is over."""
    return not over.wait(seconds)


def upload(port, over, head, piece, every_s):
    connection = Client(port)
    connection.send(head)
    while pause(over, every_s):
        connection.send(piece)


def upload_slowly(port, over):
    """5.6 KB/s."""
    upload(port, over, HEAD + b"Content-Length: 10000000\r\n\r\n", bytes(560), 0.1)


def drip(port, over):
    upload(port, over, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 1)


def cancel(port, over):
    connection = Client(port)
    connection.ask(target="/patient/slow")
    pause(over, 0.1)
    connection.reset()
    pause(over, 1.9)


def stand_still(port, over):
    """Takes nothing for longer than the service waits, then all of it at once."""
    connection = Client(port, receive_buffer=4096)
    connection.ask(target="/patient/large")
    pause(over, 3)
    connection.read_all()


ATTACKS = {"uploads at 5.6 KB/s": upload_slowly, "uploads at 1 B/s": drip, "cancelled requests": cancel, "stuck downloads": stand_still}


class Attack:
    def __init__(self, port, does):
        self.port, self.does, self.over, self.turns = port, does, threading.Event(), 0
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(ATTACKERS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.over.is_set():
            self.turns += 1
            try:
                self.does(self.port, self.over)
            except (OSError, EOFError):
                pause(self.over, 0.1)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def attack():
    """attack(gateway, what each attacker does): ends with the test."""
    yield from harness.ended_after(lambda started, does: Attack(started.port, does))


def ask(started):
    return Client(started.port).request(target="/patient").status


def state(started):
    return started.breaker()["state"]


@pytest.mark.promise(f"{ATTACKERS} such clients while the breaker is half-open, {THREADS} threads in each of two replicas",
                     "the breaker closes; then 0 honest requests fail")
@pytest.mark.parametrize("does", ATTACKS)
def test_nobody_keeps_a_breaker_open(gateway, service, load, report, attack, does):
    started = gateway(upstream={"breaker": {"open_for": "1s"}, "ejection": "off", "slow_start": "off"})
    service.fail()
    until(lambda: ask(started) and state(started) == "OPEN", "the breaker opens")
    service.recover()
    attack(started, ATTACKS[does])
    began = time.monotonic()
    until(lambda: ask(started) == 200 and state(started) == "CLOSED", "the breaker closes", 60)
    took_s = time.monotonic() - began
    result = load(started, rate=50, seconds=2, connections=HONEST).result()
    report(f"closed after {took_s:.1f} s; {figures(result)}", result["failed"] == 0 and took_s < 30)


@pytest.mark.promise(f"{ATTACKERS} such clients beside {HONEST} honest ones, {THREADS} threads in each of two replicas",
                     "the breaker stays closed; no replica is ejected; 0 honest requests failed")
@pytest.mark.parametrize("does", ATTACKS)
def test_nobody_opens_a_breaker(gateway, service, load, report, attack, does):
    started = gateway()
    attacking = attack(started, ATTACKS[does])
    result = load(started, rate=100, seconds=SECONDS, connections=HONEST).result()
    ejections = sum(endpoint["ejections"] for endpoint in started.admin("/upstreams/patient")["endpoints"])
    breaker = started.breaker()
    report(f"{figures(result)}; breaker {breaker['state'].lower()}, {breaker['failedCalls']} failed calls; {ejections} ejections; "
           f"{attacking.turns} turns", result["failed"] == 0 and breaker["state"] == "CLOSED" and ejections == 0)
