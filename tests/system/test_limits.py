"""Each client's share, and the clients that must go in a shortage: connections, descriptors, places, memory, turns."""
import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections import Counter

import pytest

from harness import Client, until
from process import IS_SANITIZED


def shed(running, reason):
    return running.metrics().sum("gateway_connections_shed_total", reason=reason)


def is_open(connection):
    """Nothing is to be read, not even an end."""
    readable, _, _ = select.select([connection.socket], [], [], 0)
    return not readable


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        words = stat.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


# ---- connections of one client


def connect_from(port, address):
    connecting = socket.socket()
    connecting.bind((address, 0))
    connecting.settimeout(10)
    connecting.connect(("127.0.0.1", port))
    connection = Client.__new__(Client)
    super(Client, connection).__init__(connecting)
    return connection


def is_served(connection):
    try:
        return connection.request().status == 200
    except (EOFError, ConnectionError):
        return False


def test_connections_of_one_client(gateway, upstream):
    running = gateway(upstream(), limits={"connections_per_client": 3})
    held = [connect_from(running.port, "127.0.0.2") for _ in range(3)]
    assert all(is_served(connection) for connection in held)
    for _ in range(5):
        assert not is_served(connect_from(running.port, "127.0.0.2"))
    until(lambda: shed(running, "client_limit") == 5, "all are counted")
    assert is_served(connect_from(running.port, "127.0.0.3")), "another client"
    assert all(is_served(connection) for connection in held)
    held.pop().close()
    until(lambda: is_served(connect_from(running.port, "127.0.0.2")), "the place that became free")
    assert sum("connections_per_client" in line for line in running.errors) <= 4, "a line a second and worker at most"


def test_the_limit_of_one_client_can_be_reloaded_and_spares_trusted_proxies(gateway, upstream):
    behind = upstream()
    running = gateway(behind)
    held = [connect_from(running.port, "127.0.0.2") for _ in range(4)]
    assert all(is_served(connection) for connection in held), "there is none by default"
    running.configure(behind, limits={"connections_per_client": 4})
    running.reload()
    until(lambda: not is_served(connect_from(running.port, "127.0.0.2")), "the new limit, with those that were there counted")
    running.configure(behind, limits={"connections_per_client": 4}, trusted_proxies=["127.0.0.2"])
    running.reload()
    until(lambda: is_served(connect_from(running.port, "127.0.0.2")), "a trusted proxy")


# ---- connections in all


def test_the_longest_idle_goes_when_it_is_full(gateway, upstream):
    running = gateway(upstream(), limits={"connections": 8}, workers=1)
    held = [Client(running.port) for _ in range(8)]
    for connection in held:
        assert connection.request().status == 200
    assert held[0].request().status == 200  # now the second has been idle for longest
    newcomer = Client(running.port)
    assert newcomer.request().status == 200
    assert held[1].is_closed()
    assert all(is_open(connection) for connection in held[:1] + held[2:])
    assert shed(running, "oldest_idle") == 1
    until(lambda: running.has_said("closing the longest idle ones"), "the gateway says so")


@pytest.mark.parametrize("reloaded", ["60s", "30s", "300s"], ids="idle_timeout {}".format)
def test_a_client_that_was_answered_a_moment_ago_stays(gateway, upstream, reloaded):
    """The next request may be on its way already; a newcomer can wait."""
    behind = upstream()
    running = gateway(behind, limits={"connections": 2, "idle_timeout": "60s"}, workers=1)
    held = [Client(running.port) for _ in range(2)]
    longest_gap, last = 0, [time.monotonic()] * 2
    for connection in held:
        assert connection.request().status == 200
    running.configure(behind, limits={"connections": 2, "idle_timeout": reloaded}, workers=1)
    running.reload()
    time.sleep(0.2)  # so that the worker has it
    newcomer = Client(running.port)
    newcomer.ask()
    for _ in range(30):
        for number, connection in enumerate(held):
            longest_gap = max(longest_gap, time.monotonic() - last[number])
            try:
                assert connection.request().status == 200
            except (EOFError, OSError):
                assert longest_gap > 0.9, "this machine may stand still, the gateway may not close them sooner"
                return
            last[number] = time.monotonic()
        time.sleep(0.05)
    assert newcomer.answer().status == 200, "when the first has been idle for a second"


def test_a_head_begun_by_the_longest_idle_keeps_nobody_out(gateway, upstream):
    running = gateway(upstream(), limits={"connections": 2}, workers=1)

    def wait_of_a_newcomer():
        held = [Client(running.port) for _ in range(2)]
        for connection in held:
            assert connection.request().status == 200
        time.sleep(1.2)
        began = time.monotonic()
        held[0].send("G")
        newcomer = Client(running.port)
        assert newcomer.request().status == 200
        for connection in [*held, newcomer]:
            connection.close()
        return time.monotonic() - began

    assert any(wait_of_a_newcomer() < 0.8 for _ in range(10)), "a second from the head's first byte on"


def test_never_one_with_a_request_under_way(gateway, upstream):
    go_on = threading.Event()

    def waiting(connection, request):
        if request.target == "/wait":
            go_on.wait(30)
        connection.reply()

    behind = upstream(waiting)
    running = gateway(behind, limits={"connections": 4}, workers=1)
    busy = [Client(running.port) for _ in range(4)]
    for connection in busy:
        connection.ask(target="/wait")
    behind.wait_for(4)
    newcomer = Client(running.port)
    newcomer.ask()
    until(lambda: running.metrics().sum("gateway_accept_pauses_total") > 0, "the listener pauses")
    assert all(is_open(connection) for connection in busy + [newcomer])
    go_on.set()
    assert all(connection.answer().status == 200 for connection in busy)
    assert newcomer.answer().status == 200, "it waited in the kernel, and the first who was idle made room"


def test_half_sent_heads_make_room_and_are_recorded(gateway, upstream):
    running = gateway(upstream(), limits={"connections": 4}, workers=1)
    slow = [Client(running.port) for _ in range(4)]
    for connection in slow:
        connection.send("GET /slow HTTP/1.1\r\nHost: h\r\n")
    until(lambda: running.metrics().sum("gateway_connections_open") == 4, "four half heads")
    assert Client(running.port).request().status == 200
    assert slow[0].is_closed() and all(is_open(connection) for connection in slow[1:])
    assert [line["outcome"] for line in running.log(2)] == ["shed", "answered"]


# ---- descriptors


def flood(port, attempts, first_words):
    """Connection attempts as fast as one process can make them, 4,000 at once, each 4,000 held for half a second."""
    opened = []
    for _ in range(attempts):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
        opened.append(one)
        if len(opened) < 4000:
            continue
        for one in opened:
            try:
                one.send(first_words)
            except OSError:
                pass
        time.sleep(0.5)
        for one in opened:
            one.close()
        opened = []


@pytest.mark.parametrize("first_words", [b"", b"GET / HTTP/1.1\r\n"], ids=["silent", "half_heads"])
def test_a_flood_of_connections_with_few_descriptors(gateway, upstream, first_words):
    running = gateway(upstream(), prefix=("prlimit", "--nofile=1000"))
    established = [Client(running.port) for _ in range(20)]
    done, failed, asked = threading.Event(), [], 0

    def go_on():
        nonlocal asked
        while not done.is_set():
            for connection in established:
                try:
                    assert connection.request().status == 200
                    asked += 1
                except (AssertionError, EOFError, OSError) as error:
                    failed.append(repr(error))
                    return
            done.wait(0.05)

    client = threading.Thread(target=go_on)
    client.start()
    before, begin, cost = cpu_seconds(running.process.pid), time.monotonic(), time.thread_time()
    flood(running.port, 20000, first_words)
    cost = time.thread_time() - cost
    until(lambda: running.metrics().sum("gateway_connections_open") <= 20, "the flood has gone", 60)
    spent, took = cpu_seconds(running.process.pid) - before, time.monotonic() - begin
    done.set()
    client.join()
    print(f"\n20,000 attempts in {took:.1f} s: {spent:.2f} s of CPU, of the attacker's {cost:.2f}; {asked} requests of established clients")
    assert not failed and asked > 0
    assert IS_SANITIZED or spent < cost, "a flood costs the attacker more than the gateway; one that spins needs several times as much"
    newcomer = Client(running.port)
    assert newcomer.request().status == 200, "recovered"
    assert len(os.listdir(f"/proc/{running.process.pid}/fd")) < 100


@pytest.mark.parametrize("descriptors", [60, 61])
def test_all_descriptors_gone_and_back(gateway, upstream, descriptors):
    """limits.connections promises more than the process may open: newcomers replace who is idle, nothing spins; and where a
    client took the last one, without another for its request, the others are not taken on to fail like that one."""
    running = gateway(upstream(), prefix=("prlimit", f"--nofile={descriptors}"), limits={"connections": 1000}, workers=1)
    held = [Client(running.port) for _ in range(100)]
    for connection in held:
        connection.ask()
    assert sum(is_served(connection) for connection in [Client(running.port) for _ in range(5)]) >= 3
    before = cpu_seconds(running.process.pid)
    time.sleep(1)
    assert cpu_seconds(running.process.pid) - before < 0.2
    outcomes = [line["outcome"] for line in running.log()]
    assert outcomes.count("out_of_memory") < 40, "at most one before each rest; without rests it would be most of the hundred"
    for connection in held:
        connection.close()
    until(lambda: is_served(Client(running.port)), "recovered")


def test_no_upstream_is_blamed_for_want_of_descriptors(gateway, upstream):
    """Nobody takes the log, either."""
    may_answer = threading.Event()

    def answer(connection, request):
        may_answer.wait(30)
        connection.reply()

    running = gateway({"patient": {"url": upstream(answer), "retry": {"attempts": 0}}}, prefix=("prlimit", "--nofile=80"),
                      limits={"connections": 1000}, workers=1, access_log="off")
    running.stop_reading()
    opened = [Client(running.port) for _ in range(100)]
    for connection in opened:
        connection.ask()
    until(lambda: sum(not is_open(connection) for connection in opened) >= 3, "some have failed")
    may_answer.set()
    for connection in opened:
        assert connection.answer().status in (200, 503)
        connection.close()
    running.go_on_reading()
    until(lambda: running.metrics().sum("gateway_requests_total") == 100, "all are counted")
    outcomes = {labels["outcome"] for labels, value in running.metrics().find("gateway_requests_total") if value}
    assert outcomes == {"answered", "out_of_memory"}


def pipeline(port, request, count, begin=b""):
    """The statuses of the answers to requests that one client sends without waiting while it reads; `begin` comes alone."""
    connection = Client(port)
    if begin:
        connection.send(begin)
    sender = threading.Thread(target=lambda: connection.send((request * count)[len(begin):]))
    sender.start()
    statuses = [connection.answer().status for _ in range(count)]
    sender.join()
    return statuses


def test_a_client_that_sends_ahead_waits_in_the_kernel_also_for_answers_of_the_gateway(gateway, upstream):
    """Beginning with a part of a head, so that what follows is kept behind it."""
    running = gateway({"patient": upstream().url}, routes=[{"path": "/patient", "upstream": "patient"}], workers=1,
                      limits={"memory": "1MiB"})
    request = b"GET /nothing HTTP/1.1\r\nHost: h\r\nX-Fill: " + b"f" * 55 + b"\r\n\r\n"
    assert set(pipeline(running.port, request, 20_000, request[:2])) == {404}
    assert shed(running, "no_memory") == 0


def test_a_client_may_pipeline_for_ever(gateway, upstream):
    """Requests of a prime length: hardly ever does a read end where a request ends."""
    running = gateway({"patient": upstream().url}, workers=1, limits={"memory": "1MiB"})
    request = b"GET /patient HTTP/1.1\r\nHost: h\r\nX-Fill: "
    request += b"f" * (997 - len(request) - 4) + b"\r\n\r\n"
    assert set(pipeline(running.port, request, 3_000)) == {200}
    assert shed(running, "no_memory") == 0


# ---- places in an upstream


def test_slow_uploads_do_not_lock_others_out(gateway, upstream):
    running = gateway({"patient": {"url": upstream(whole=False, handler=lambda connection, request: (
        connection.read_body(request), connection.reply())), "bulkhead": {"max_in_flight": 4, "max_wait": "10s"}}}, workers=1)
    slow = [Client(running.port) for _ in range(4)]
    for connection in slow:
        connection.send("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nfirst")
    until(lambda: running.metrics().sum("gateway_bulkhead_in_flight") == 4, "four slow requests hold all places")
    assert Client(running.port).request().status == 200
    assert shed(running, "slow") == 1
    assert slow[0].is_closed() and all(is_open(connection) for connection in slow[1:])
    assert [line["outcome"] for line in running.log(2)] == ["shed", "answered"]
    assert running.breaker()["failedCalls"] == 0


def test_uploads_that_trickle_do_not_lock_others_out(gateway, upstream):
    """A byte every few milliseconds, and so never a long wait for the next."""
    running = gateway({"patient": {"url": upstream(whole=False, handler=lambda connection, request: (
        connection.read_body(request), connection.reply())), "bulkhead": {"max_in_flight": 4, "max_wait": "10s"}}}, workers=1)
    is_over = threading.Event()

    def trickle(connection):
        with contextlib.suppress(OSError):
            while not is_over.wait(0.01):
                connection.send(b"1\r\nx\r\n")

    slow = [Client(running.port) for _ in range(4)]
    for connection in slow:
        connection.send("POST /slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        threading.Thread(target=trickle, args=(connection,), daemon=True).start()
    until(lambda: running.metrics().sum("gateway_bulkhead_in_flight") == 4, "four slow requests hold all places")
    try:
        assert Client(running.port).request().status == 200
        assert shed(running, "slow") >= 1
    finally:
        is_over.set()


def test_slow_readers_do_not_lock_others_out(gateway, upstream):
    def large(connection, request):
        size = 64 << 20 if request.target == "/large" else 2
        connection.send(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n".encode())
        for _ in range(size >> 20):
            connection.send(bytes(1 << 20))
        connection.send(b"ok" * (size == 2) + b"\r\n0\r\n\r\n")

    running = gateway({"patient": {"url": upstream(large), "bulkhead": {"max_in_flight": 4, "max_wait": "10s"}}}, workers=1)
    slow = [Client(running.port, receive_buffer=4096) for _ in range(4)]
    for connection in slow:
        connection.ask(target="/large")
    until(lambda: running.metrics().sum("gateway_bulkhead_in_flight") == 4, "four slow readers hold all places")
    assert Client(running.port).request().status == 200
    assert shed(running, "slow") >= 1


# ---- memory


def most_kib(running):
    with open(f"/proc/{running.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's own memory would be measured")
@pytest.mark.parametrize("method", ["POST", "PUT"])  # a PUT is kept to be sent again, while there is memory for it
def test_bodies_fill_no_memory(gateway, upstream, method):
    go_on = threading.Event()

    def answer_late(connection, request):
        if request.method != "GET":
            go_on.wait(30)
            connection.read_body(request)
        connection.reply()

    behind = upstream(answer_late, whole=False, backlog=1024)
    running = gateway({"patient": {"url": behind, "timeouts": {"response": "1m"}}}, limits={"memory": "2MiB"})
    asked = [Client(running.port) for _ in range(300)]
    for connection in asked:
        connection.ask(method, "/", body=60000 * b"x")  # 18 MB in all
    behind.wait_for(300)
    most = most_kib(running)
    print(f"\n300 {method}s with 60 kB each, limits.memory 2MiB: at most {most} KiB resident")
    assert most < 12 * 1024
    assert Client(running.port).request().status == 200
    go_on.set()
    assert all(connection.answer().status == 200 for connection in asked)


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's own memory would be measured")
def test_half_sent_heads_fill_no_memory(gateway, upstream):
    running = gateway(upstream(), limits={"memory": "2MiB", "head_timeout": "60s"})
    slow = [Client(running.port) for _ in range(1000)]
    for connection in slow:
        try:
            connection.send("GET / HTTP/1.1\r\nX: " + 15000 * "x")  # 15 MB in all
        except OSError:
            pass
    # Some are closed when what they send can't be kept at all, the others to make room.
    until(lambda: shed(running, "no_memory") > 700, "most have to go")
    assert Client(running.port).request().status == 200
    most = most_kib(running)
    print(f"\n1,000 half heads of 15 kB with limits.memory 2MiB: at most {most} KiB resident")
    assert most < 16 * 1024


def answer_of(connection, rest):
    """None: it has gone."""
    try:
        connection.send(rest)
        return connection.answer().status
    except (OSError, EOFError):
        return None


def test_clients_shed_for_memory_are_counted_and_recorded(gateway, upstream):
    """All at once, so that there is no turn to make room in: what can't be kept has to go at once."""
    running = gateway(upstream(), workers=1, limits={"memory": "1MiB", "head_timeout": "60s"})
    running.signal(signal.SIGSTOP)
    asked = [Client(running.port) for _ in range(300)]
    for connection in asked:
        connection.send("GET /half HTTP/1.1\r\nX: " + 15000 * "x")  # 4.5 MB in all
    running.signal(signal.SIGCONT)
    until(lambda: shed(running, "no_memory") > 0, "some have to go")
    answers = [answer_of(connection, "\r\nHost: h\r\n\r\n") for connection in asked]
    gone = answers.count(None)
    outcomes = [line["outcome"] for line in running.log(300)]
    print(gone, Counter(outcomes), len(outcomes))
    assert 0 < gone < 300 and len(outcomes) == 300
    assert outcomes.count("shed") == gone == shed(running, "no_memory")
    assert outcomes.count("answered") > 0
    running.must_say("sheds connections: limits.memory is reached")


# ---- turns


def test_a_client_that_pipelines_thousands_takes_turns(gateway, upstream):
    running = gateway(upstream(), workers=1, access_log="off")
    greedy, other = Client(running.port), Client(running.port)
    other.request()
    count, answers = 10000, []

    def ask_all():
        greedy.send(b"GET /greedy HTTP/1.1\r\nHost: h\r\n\r\n" * count)

    def take_all():
        while len(answers) < count:
            answers.append(greedy.answer().status)

    threads = [threading.Thread(target=work) for work in (ask_all, take_all)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) > 10, "the greedy client is being served")
    in_between = []
    while len(in_between) < 20:
        before = len(answers)
        assert other.request().status == 200
        in_between.append(len(answers) - before)
    assert len(answers) < count, "the other one had all its answers while the greedy one still waited"
    for thread in threads:
        thread.join()
    assert answers == [200] * count
    print(f"\nanswers of the greedy client during one request of the other: at most {max(in_between)}")
    assert sorted(in_between)[10] < 100


# ---- tunnels


def test_tunnels_are_counted_and_end_when_silent(gateway, upstream):
    def upgrade(connection, request):
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        while connection.more():
            connection.send(connection.take(len(connection.held)))

    running = gateway({"patient": {"url": upstream(upgrade), "timeouts": {"idle": "500ms"}}})
    connection = Client(running.port)
    connection.ask(headers={"Connection": "Upgrade", "Upgrade": "x"})
    assert connection.answer().status == 101
    assert running.metrics().sum("gateway_tunnels_open") == 1
    assert running.metrics().sum("gateway_bulkhead_in_flight") == 0, "it takes no place of its upstream"
    assert running.metrics().sum("gateway_bulkhead_streams") == 1
    for _ in range(5):  # traffic in either direction keeps it
        connection.send("hello")
        assert connection.read(5) == b"hello"
    assert connection.is_closed()
    until(lambda: running.metrics().sum("gateway_tunnels_open") == 0, "none is left")


def test_shed_clients_are_counted_from_the_start(gateway, upstream):
    metrics = gateway(upstream()).metrics()
    for reason in ("oldest_idle", "slow", "client_limit", "full", "no_memory", "out_of_memory"):
        assert metrics.find("gateway_connections_shed_total", reason=reason) == [({"reason": reason}, 0)]
