"""Faults of the gateway's own machine: reloads and stops, descriptors, memory and disks that are gone, clocks that jump."""
import http.client
import mmap
import os
import resource
import select
import signal
import subprocess
import time

import pytest

import process
from harness import Client, until
from world import (BUILD, IS_FULL, IS_ISOLATED, cpu_seconds, descriptors, figures, is_under, memory_kib,
                   wait_ms)

IS_SANITIZED = process.IS_SANITIZED


def wait_until(moment):
    time.sleep(max(0, moment - time.monotonic()))


# ---- reload and drain -----------------------------------------------------------------------------------------------


@pytest.mark.promise("reload 10 times at 1,000 requests/s", "0 failed, no idle connection closed")
def test_reload_ten_times(proxy, load, report):
    started = proxy()
    seconds = 15 if IS_FULL else 4
    running = load(started, rate=1000, seconds=seconds)
    for _ in range(10):
        wait_ms(seconds * 80)
        started.reload()
    result = running.result()
    kept = result["failed"] == 0 and result["idle_closed"] == 0 and result["said_close"] == 0
    report(f"{figures(result)}; {result['idle_closed']} idle connections closed under the client", kept, started.name)


@pytest.mark.promise("reload 100 times at 1,000 requests/s", "0 failed, descriptors and memory flat")
def test_reload_a_hundred_times(gateway, load, service, report):
    started = gateway()
    memory = []

    def reload_under_load(times):
        running = load(started, rate=1000, seconds=120, connections=50, most=50)
        for _ in range(times):
            started.reload()
            wait_ms(50 if IS_FULL else 5)
        memory.append(memory_kib(started.pids()))
        running.end()
        return running.result()

    def quiet():
        """Its descriptors when nobody is connected to it and it is connected to nobody."""
        until(lambda: started.metrics().sum("gateway_connections_open") == 0, "all clients have gone")
        service.tell("drop")
        until(lambda: sum(seen["connections"] for seen in service.tell("look")) == 0, "and all upstream connections")
        wait_ms(200)
        return descriptors(started.process.pid)

    reload_under_load(10)
    before = quiet()
    result = reload_under_load(100)
    after = quiet()
    grown = memory[1] - memory[0]
    kept = result["failed"] == 0 and result["idle_closed"] == 0 and after <= before and (IS_SANITIZED or grown < 1024)
    report(f"{figures(result)}; {before} -> {after} descriptors, {grown:+d} KiB", kept)


@pytest.mark.promise("idle keep-alive clients during reload and drain",
                     "none is closed; the next response while draining says Connection: close")
def test_idle_clients_are_not_closed(gateway, report):
    started = gateway()
    clients = [Client(started.port) for _ in range(50)]
    for client in clients:
        assert client.request(target="/patient").status == 200
    for _ in range(10):
        started.reload()
    kept = sum(client.request(target="/patient").get("Connection") is None for client in clients)
    started.signal(signal.SIGTERM)
    until(lambda: started.has_said("drain"), "it drains")
    answers = [client.request(target="/patient") for client in clients]
    told = sum(answer.status == 200 and answer.get("Connection") == "close" for answer in answers)
    report(f"{kept} of 50 answered after 10 reloads, {told} of 50 answered with Connection: close while draining",
           kept == told == 50)


@pytest.mark.promise("SIGTERM with 100 requests of 2 s in flight", "100 of 100 answered, exit before 10 s")
def test_sigterm_with_slow_requests(proxy, load, service, report):
    started = proxy(drain=None)
    service.tell("answer_after 2000")
    running = load(started, rate=1000, count=100, connections=100)
    until(lambda: sum(seen["in_flight"] for seen in service.tell("look")) == 100, "all are in flight")
    began = time.monotonic()
    started.signal(signal.SIGTERM)
    result = running.result()
    started.process.wait(30)
    took = time.monotonic() - began
    report(f"{result['answered']} of 100 answered; exit after {took:.1f} s", result["answered"] == 100 and took < 10, started.name)


@pytest.mark.promise("gateway replaced: SIGTERM, then a new one on the same port",
                     "0 requests cut, clients are told Connection: close, exit before 10 s")
def test_the_gateway_is_replaced(gateway, load, report):
    """Stop first, as a swarm must with a published port; clients connect again where they are refused, and repeat nothing."""
    old = gateway(drain=None)
    running = load(old, rate=1000, seconds=14, retry_refused=True)
    wait_ms(1000)
    began = time.monotonic()
    old.signal(signal.SIGTERM)
    status = old.wait()
    took = time.monotonic() - began
    gateway(listen=f"127.0.0.1:{old.port}")
    again = time.monotonic() - began - took
    running.end()
    result = running.result()
    report(f"{figures(result)}; {result['said_close']} connections told to close, {result['idle_closed']} closed while idle; exit "
           f"after {took:.1f} s, the new one answers {again * 1000:.0f} ms later",
           result["failed"] == 0 and status == 0 and result["said_close"] >= 40 and took < 10)


# ---- descriptors ------------------------------------------------------------------------------------------------------


def answered(client):
    try:
        return client.answer().status == 200
    except (EOFError, ConnectionError):
        return False  # it had to go


def is_answering(started):
    client = Client(started.port)
    try:
        client.ask(target="/patient")
        return answered(client)
    finally:
        client.close()


@pytest.mark.promise("descriptors exhausted", "answers again within 1 s after relief, never spins")
def test_descriptors_are_exhausted(proxy, report):
    """Its limit is lowered while it runs, so what it worked out at its start does not protect it."""
    started = proxy()
    Client(started.port).request(target="/patient")
    limits = {}
    for pid in started.pids():
        limits[pid] = descriptors(pid) + 20
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limits[pid], limits[pid]))
    clients = [Client(started.port) for _ in range(200)]
    for client in clients:
        client.ask(target="/patient")
    until(lambda: any(descriptors(pid) >= limit - 1 for pid, limit in limits.items()), "no descriptor is left")
    spent = cpu_seconds(started.pids())
    wait_ms(2000)
    share = (cpu_seconds(started.pids()) - spent) / 2
    served = sum(bool(select.select([client.socket], [], [], 0)[0]) and answered(client) for client in clients)
    for client in clients:
        client.close()
    began = time.monotonic()
    until(lambda: is_answering(started), "it answers again")
    took = time.monotonic() - began
    report(f"{share * 100:.0f} % CPU meanwhile; {served} of 200 clients at once were served; answers again after {took * 1000:.0f} ms",
           took < (1 if IS_FULL else 5) and share < 0.5 and served > 0, started.name)


# ---- memory -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shortage(tmp_path):
    """(environment, set(percent), failed()): allocations that fail on demand."""
    file = tmp_path / "nomalloc"
    file.write_bytes(bytes(16))
    with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 16) as told:
        def set_percent(percent):
            told[0] = percent

        environment = {**os.environ, "LD_PRELOAD": os.path.join(BUILD, "faults/nomalloc.so"), "NOMALLOC": str(file)}
        yield environment, set_percent, lambda: int.from_bytes(told[8:16], "little")


def glance(started, path):
    """Asks the admin listener, which may refuse, or say nothing, as long as it has no memory."""
    connection = http.client.HTTPConnection("127.0.0.1", started.admin_port, timeout=0.3)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
    connection.close()


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer has its own malloc")
@pytest.mark.parametrize("percent", [1, 20])
@pytest.mark.promise("malloc fails", "survives, full recovery")
def test_memory_is_short(gateway, load, service, shortage, report, percent):
    """Under everything that allocates: new connections, bodies in pieces, reloads, the admin listener, new endpoints."""
    environment, set_percent, failed = shortage
    started = gateway(env=environment)
    seconds = 8 if IS_FULL else 2
    began = time.monotonic() + 0.1  # the loads need this to connect
    loads = [load(started, rate=500, seconds=seconds + 4), load(started, rate=200, seconds=seconds + 4, close=True),
             load(started, rate=100, seconds=seconds + 4, method="POST", body=40000)]
    wait_ms(500)
    set_percent(percent)
    while time.monotonic() < began + 0.5 + seconds:
        started.signal(signal.SIGHUP)
        service.replicas[0].tell("drop")
        for path in ("/metrics", "/actuator/circuitbreakers", "/upstreams"):
            glance(started, path)
        wait_ms(100)
    set_percent(0)
    relieved_ms = (time.monotonic() - began) * 1000
    assert started.process.poll() is None, f"it died:\n{started.stderr[-3000:]}"
    assert not started.has_said("is reached"), "no limit of gateway.yml is to blame"
    assert percent < 20 or started.has_said("pauses accepting connections: Cannot allocate memory")
    results = [running.result() for running in loads]
    late = [(due - relieved_ms, ending) for running in loads
            for _, due, ending, _, _ in running.records() if due > relieved_ms + 1000]
    lost = [one for one in late if one[1] != 200]
    started.reload()
    print(lost[:20])
    report(f"{failed():,} allocations failed, {sum(result['failed'] for result in results):,} of "
           f"{sum(result['requests'] for result in results):,} requests; later than 1 s after relief {len(lost)} of {len(late):,}",
           not lost and failed() > 0)


# ---- the access log ---------------------------------------------------------------------------------------------------


def lost_lines(started):
    return int(started.metrics().sum("gateway_log_lines_lost_total"))


@pytest.mark.skipif(not IS_ISOLATED, reason="needs a mount namespace of its own (root, or user namespaces)")
@pytest.mark.promise("disk full under the access log", "requests unaffected, lost lines are counted, the log goes on after relief")
def test_the_disk_is_full(gateway, load, tmp_path, report):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], check=True)
    try:
        started = gateway(access_log=str(disk / "access.log"))
        result = load(started, rate=1000, seconds=6 if IS_FULL else 3).result()
        lost = lost_lines(started)
        os.truncate(disk / "access.log", 0)
        after = load(started, rate=100, seconds=1).result()
        until(lambda: (disk / "access.log").read_bytes().count(b"\n") >= 100, "the log goes on")
        written = (disk / "access.log").read_bytes().count(b"\n")
        started.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    kept = result["failed"] == after["failed"] == 0 and lost > 100 and written >= 99 and is_under(result, 50)
    report(f"{figures(result)}; {lost:,} lines lost and counted; {written} of 100 lines after relief", kept)


@pytest.mark.promise("log pipe blocked: its reader has stopped",
                     "requests unaffected, lost lines are counted, the log goes on when it reads again")
def test_the_log_pipe_is_blocked(gateway, load, tmp_path, report):
    pipe, out = tmp_path / "pipe", tmp_path / "out"
    os.mkfifo(pipe)
    with open(out, "wb") as file:
        reader = subprocess.Popen(["cat", pipe], stdout=file)
    try:
        started = gateway(access_log="stdout", prefix=("sh", "-c", f'exec "$@" >{pipe}', "sh"))
        assert load(started, rate=100, seconds=1).result()["failed"] == 0
        reader.send_signal(signal.SIGSTOP)
        result = load(started, rate=1000, seconds=6 if IS_FULL else 3).result()
        lost = lost_lines(started)
        reader.send_signal(signal.SIGCONT)
        wait_ms(500)
        before = out.read_bytes().count(b"\n")
        after = load(started, rate=100, seconds=1).result()
        until(lambda: out.read_bytes().count(b"\n") >= before + 100, "the log goes on")
        started.stop()
    finally:
        reader.kill()
        reader.wait()
    total, lines = 100 + result["requests"] + 100, out.read_bytes().count(b"\n")
    kept = result["failed"] == after["failed"] == 0 and lost > 100 and lines + lost == total and is_under(result, 50)
    report(f"{figures(result)}; {lost:,} lines lost and counted, {lines:,} written, {total:,} in all", kept)


# ---- the clock --------------------------------------------------------------------------------------------------------


FAKETIME = next((path for path in ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
                                   "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1") if os.path.exists(path)), None)


@pytest.mark.skipif(FAKETIME is None or IS_SANITIZED, reason="needs libfaketime, which no sanitizer goes with")
@pytest.mark.promise("wall clock jumps: an hour on, a day back, ten years on",
                     "0 failed, no connection lost, an open breaker opens and closes in its own time")
def test_the_clock_jumps(gateway, load, service, tmp_path, report):
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    environment = {**os.environ, "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
                   "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    # The false clock is a file that is read at every look at it, which the sandbox would not have.
    started = gateway(env=environment, sandbox="off", upstream={"breaker": {"open_for": "3s"}})

    def jump(offset):
        (tmp_path / "clock.new").write_text(offset + "\n")
        os.rename(tmp_path / "clock.new", clock)

    running = load(started, rate=500, seconds=3)
    for offset in ("+3600", "-86400", "+315360000", "+0"):
        wait_ms(600)
        jump(offset)
    result = running.result()
    years = {line["time"][:4] for line in started.lines_of_log()}
    # An open breaker: neither the hour that seems to have passed nor the day back ends or stretches its rest.
    service.tell("do status 500")
    down = load(started, rate=200, seconds=30)
    started.wait_for_state("OPEN")
    opened = time.monotonic()
    service.tell("do answer")
    jump("+3600")
    wait_ms(800)
    still = started.breaker()["state"]
    jump("-86400")
    until(lambda: started.breaker()["state"] == "CLOSED", "the breaker closes")
    rested = time.monotonic() - opened
    down.end()
    down.result()
    kept = result["failed"] == result["idle_closed"] == 0 and len(years) > 1 and still == "OPEN" and 2 < rested < (6 if IS_FULL else 9)
    report(f"{figures(result)}, log lines of the years {', '.join(sorted(years))}; with jumps an open_for of 3 s took {rested:.1f} s",
           kept)
