#!/usr/bin/env python3
"""The gateway among clients, replicas, names and operators that all do what they like, and what must hold all the same.

    tests/chaos/chaos.py [--gateway FILE] [--seed N] [--seconds N] [--reloads N]

One process of the gateway: chaos; calm, in which all is counted; so many reloads, after which it must be no larger; chaos again,
and SIGTERM in the middle. Exit status 1 and a line for each thing that did not hold."""
import argparse
import json
import mmap
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "system")]


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gateway", default=os.path.join(ROOT, "build", "gateway"))
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--seconds", type=float, default=25)
    parser.add_argument("--reloads", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="the folder with the logs, though all held")
    return parser.parse_args()


options = parse()
os.environ["GATEWAY_BINARY"] = options.gateway  # process.py looks at it

import clients  # noqa: E402
import settings  # noqa: E402
from harness import free_port  # noqa: E402
from judge import GAUGES, Judge  # noqa: E402
from loop import GUARD, Ended, Loop, TooLate, connect  # noqa: E402
from messages import Response, read_body  # noqa: E402
from process import HAS_THREAD_SANITIZER, Metrics  # noqa: E402

MOST_REQUESTS, CLIENTS, WORKERS, WITNESSES = 2_000_000, 80, 4, 24
DESCRIPTORS, SPARE_DESCRIPTORS = 4096, 8  # DNS and health checks come and go
MOST_GROWTH_MIB = 8 if HAS_THREAD_SANITIZER else 4  # in 800 reloads; the ThreadSanitizer's own books grow, too
ADMIN_PATHS = ("/", "/livez", "/readyz", "/actuator", "/actuator/health", "/actuator/health/readiness", "/actuator/metrics",
               "/actuator/metrics/http.server.requests", "/actuator/prometheus", "/metrics", "/actuator/circuitbreakers",
               "/actuator/circuitbreakers/a", "/actuator/circuitbreakerevents", "/actuator/circuitbreakerevents/a",
               "/actuator/gateway/routes", "/actuator/info", "/actuator/hystrix.stream", "/hystrix.stream", "/turbine.stream", "/upstreams",
               "/upstreams/a", "/metrics?includedNames=gateway_connections_open", "/requests", "/requests?id=none", "/cluster", "/cluster/self",
               "/cluster/breakers", "/page", "/page/page.js", "/nowhere")


class World:
    def __init__(self):
        self.random, self.loop = random.Random(options.seed), Loop()
        self.folder = tempfile.mkdtemp(prefix="gateway-chaos-")
        self.file = os.path.join(self.folder, "gateway.yml")
        addresses = [address for group in settings.GROUPS for address in settings.ADDRESSES[group]]
        self.port, self.dns_port = free_port(*addresses), free_port()
        self.listen_port, self.admin_port = free_port(), free_port()
        counts = os.path.join(self.folder, "counts")
        with open(counts, "w+b") as file:
            file.truncate(MOST_REQUESTS)
            self.counts = mmap.mmap(file.fileno(), 0)
        self.judge, self.number, self.version = Judge(self), 0, 0
        self.is_over = self.is_short = self.was_short = self.is_leaving = False
        self.has_extra = True  # a replica may send more than its answer, which may reach the gateway with the next request
        self.reloads = 0
        self.replicas = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "replicas.py"), str(options.seed), str(self.port), str(self.dns_port), counts],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.tell_replicas("calm")

    def fixed(self):
        return {"listen": f"127.0.0.1:{self.listen_port}", "admin": f"127.0.0.1:{self.admin_port}", "workers": WORKERS,
                "drain": {"delay": "100ms", "timeout": "6s"}}

    def next_number(self):
        self.number += 1
        assert self.number < MOST_REQUESTS
        return self.number

    def tell_replicas(self, word):
        self.replicas.stdin.write(word + "\n")
        self.replicas.stdin.flush()
        while (line := self.replicas.stdout.readline()) != "ok\n":
            assert line, "the replicas are gone"
            self.judge.complain(line.strip())

    def configure(self, make=settings.draw):
        self.version += 1
        tree, version = make(self.random, self.version, self)
        self.judge.add_version(version)
        settings.write(tree, self.file)
        return self.version

    # ---- the gateway

    def start(self, binary):
        environment = {"ASAN_OPTIONS": "quarantine_size_mb=8:detect_leaks=1", "TSAN_OPTIONS": "halt_on_error=0:history_size=4",
                       "UBSAN_OPTIONS": "print_stacktrace=1", **os.environ}
        self.stderr = open(os.path.join(self.folder, "stderr"), "w+")
        self.words, self.reading = "", open(self.stderr.name)
        self.process = subprocess.Popen([binary, "--config", self.file], stderr=self.stderr, env=environment)
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        end = time.monotonic() + GUARD
        while "ready: " not in self.said():
            assert time.monotonic() < end and self.process.poll() is None, self.said()
            time.sleep(0.02)

    def said(self):
        self.words += self.reading.read()
        return self.words

    def signal(self, number):
        self.process.send_signal(number)

    def allow_descriptors(self, count):
        self.is_short = count < DESCRIPTORS
        self.was_short = self.was_short or self.is_short
        try:
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (count, DESCRIPTORS))
        except ProcessLookupError:
            pass

    def descriptors(self):
        try:
            return len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except FileNotFoundError:  # it has ended
            return DESCRIPTORS

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024

    async def until(self, question, what, seconds=GUARD):
        end = time.monotonic() + seconds
        while not question():
            if self.process.poll() is not None:
                return False
            if time.monotonic() > end:
                self.judge.complain(f"{what}: not within {seconds} s")
                return False
            await self.loop.sleep(0.002)
        return True


# ---- operators ------------------------------------------------------------------------------------------------------------


async def ask_admin(world, path, method="GET", body=None):
    """(status, text); None when there is no answer."""
    try:
        wire = await connect(world.loop, ("127.0.0.1", world.admin_port))
    except (Ended, TooLate):
        return None
    try:
        words = b"" if body is None else json.dumps(body).encode()
        await wire.send((f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(words)}\r\n\r\n").encode() + words)
        response = Response(await wire.until(b"\r\n\r\n"))
        if path.endswith(".stream"):
            for _ in range(world.random.randint(1, 4)):
                await wire.more(3)
            return response.status, ""
        await read_body(wire, response, to_end=True)
        return response.status, response.body.decode()
    except (Ended, TooLate):
        return None
    finally:
        wire.close(world.random.random() < 0.3)


async def look_around(world):
    """Every path of the admin listener; and an operator changes the breaker of b."""
    while not world.is_over:
        path = world.random.choice(ADMIN_PATHS)
        answer = await ask_admin(world, path)
        if answer is None and not (world.is_short or world.is_over or world.is_leaving):
            world.judge.complain(f"no answer to {path}")
        elif answer and answer[0] >= 500 and not world.is_short and not path.startswith(("/actuator/health", "/readyz")):
            world.judge.complain(f"{path}: {answer}")
        elif answer and path == "/" and answer[0] == 200:
            for line in answer[1].splitlines():
                if line.startswith("/") and line.split()[0] not in ADMIN_PATHS:
                    world.judge.complain(f"an admin path that is not asked for here: {line}")
        elif answer and path == "/metrics" and answer[0] == 200:
            Metrics(answer[1])
        elif answer and answer[1].startswith("{"):
            json.loads(answer[1])
        if world.random.random() < 0.1:
            await ask_admin(world, "/actuator/circuitbreakers/b", "POST",
                            {"updateState": world.random.choice(["CLOSE", "FORCE_OPEN", "DISABLE", "METRICS_ONLY", "CLOSE"])})
        await world.loop.sleep(0.03)


async def metrics_of(world):
    while True:
        answer = await ask_admin(world, "/metrics")
        if answer and answer[0] == 200:
            return Metrics(answer[1])
        await world.loop.sleep(0.1)


async def witness(world, version, gone):
    """A connection on which, sooner or later, this version or a newer one answers. There are several for each worker."""
    end = time.monotonic() + GUARD
    while world.process.poll() is None:
        conversation = clients.Conversation(world)
        try:
            await conversation.open()
            while conversation.version < version and time.monotonic() < end:
                if await clients.ask(conversation, conversation.note("ok 1", prefix="/a"), GUARD) is None:
                    break
                await world.loop.sleep(0.02)
        except (Ended, TooLate):
            pass
        conversation.close()
        if conversation.version >= version:
            break
        if time.monotonic() > end:
            world.judge.complain(f"a worker still has version {conversation.version}, not {version}")
            break
        await world.loop.sleep(0.05)
    gone.append(1)


async def settle(world):
    """Waits until all workers have the newest version: none may answer by an older one from now on."""
    version, gone = world.version, []
    for _ in range(WITNESSES):
        world.loop.spawn(witness(world, version, gone))
    heard = len(world.said())
    while len(gone) < WITNESSES:
        await world.loop.sleep(0.02)
        if world.was_short and "the gateway keeps the old configuration" in world.said()[heard:]:  # it could not open the file
            heard = len(world.said())
            world.signal(signal.SIGHUP)
    world.judge.floor = version


async def reload_often(world):
    """Every 50 to 200 ms, now and then waiting for all workers; and descriptors are short for a while, and logs are rotated."""
    until = settled = rotated = time.monotonic()
    while not world.is_over:
        now = time.monotonic()
        is_time = now > settled + 2
        if is_time or now > until and world.is_short:
            world.allow_descriptors(DESCRIPTORS)
        world.configure()
        world.signal(signal.SIGHUP)
        world.reloads += 1
        if is_time:
            await settle(world)
            settled = time.monotonic()
            if world.random.random() < 0.4:
                world.allow_descriptors(world.descriptors() + world.random.randint(-20, 10))
                until = settled + 0.6
        if now > rotated + 0.7:
            name = os.path.join(world.folder, world.random.choice(["access-0.log", "access-1.log"]))
            if os.path.exists(name):
                os.rename(name, f"{name}.{world.version}")
            world.signal(signal.SIGUSR1)
            rotated = now
        await world.loop.sleep(world.random.uniform(0.05, 0.2))


# ---- one run --------------------------------------------------------------------------------------------------------------


def begin_chaos(world):
    world.is_over = False
    world.tell_replicas("wild")
    for _ in range(CLIENTS):
        world.loop.spawn(clients.client(world))
    for task in (look_around, look_around, reload_often):
        world.loop.spawn(task(world))


async def calm_down(world, rest):
    """Everybody goes, and everything is well from now on. `rest`: how many tasks there were before."""
    world.is_over = True
    await world.until(lambda: world.loop.tasks <= rest, "all clients have gone")
    world.allow_descriptors(DESCRIPTORS)
    world.tell_replicas("calm")
    world.configure(settings.calm)
    world.signal(signal.SIGHUP)
    await settle(world)


async def check_quiet(world):
    end = time.monotonic() + GUARD
    while not world.judge.is_quiet(metrics := await metrics_of(world)):
        if time.monotonic() > end:
            left = {(name, str(labels)): value for name, labels, value in metrics if name in GAUGES and value}
            world.judge.complain(f"nobody is there any more, but not all gauges went back to 0: {left}")
            break
        await world.loop.sleep(0.1)
    world.signal(signal.SIGUSR1)
    lines = world.judge.lines()
    end = time.monotonic() + 5
    while len(lines) + metrics.sum("gateway_log_lines_lost_total") < metrics.sum("gateway_requests_received_total") and \
            time.monotonic() < end:
        await world.loop.sleep(0.1)
        lines = world.judge.lines()
    received, outcomes = world.judge.check_sums(metrics, lines)
    world.judge.check_requests(lines, metrics.sum("gateway_log_lines_lost_total") == 0)
    return received, {outcome: int(count) for outcome, count in outcomes.items() if count}


async def recover(world):
    """Each breaker closes, though each may have been half-open when the last client left, and then all is answered."""
    await ask_admin(world, "/actuator/circuitbreakers/b", "POST", {"updateState": "CLOSE"})
    for group in settings.GROUPS:
        end, good = time.monotonic() + GUARD, 0
        while good < 20:
            conversation = clients.Conversation(world)
            await conversation.open()
            note = conversation.note("ok 100", prefix=f"/{group}")
            await clients.ask(conversation, note, GUARD)
            conversation.close()
            good = good + 1 if note.replica and note.status == 200 else 0
            if time.monotonic() > end:
                _, text = await ask_admin(world, f"/actuator/circuitbreakers/{group}")
                world.judge.complain(f"all replicas of {group} are well, but it does not recover: {note}; {text}")
                break
            if not good:
                await world.loop.sleep(0.02)


async def reload_many(world, count):
    """No larger after them than before; the first fifth of them warms up. Gives a sentence."""
    before = 0, 0
    for number in range(count):
        if number == count // 5:
            before = world.descriptors(), world.resident_mib()
        heard = len(world.said())
        world.configure(settings.draw if number % 20 == 0 else settings.steady)
        world.signal(signal.SIGHUP)
        if not await world.until(lambda: "is in use now" in world.said()[heard:], "a reload"):
            return "it ended"
    after = world.descriptors(), world.resident_mib()
    await world.until(lambda: world.descriptors() <= before[0] + SPARE_DESCRIPTORS, f"no more descriptors than {before[0]}")
    if after[1] > before[1] + MOST_GROWTH_MIB:
        world.judge.complain(f"{count} reloads took it from {before[1]:.1f} to {after[1]:.1f} MiB")
    world.configure(settings.calm)
    world.signal(signal.SIGHUP)
    await settle(world)
    return f"{count} reloads: {before[0]} descriptors and {before[1]:.1f} MiB before, {after[0]} and {after[1]:.1f} after"


async def main(world):
    rest = world.loop.tasks
    begin_chaos(world)
    await world.loop.sleep(options.seconds * 0.6)
    await calm_down(world, rest)
    received, outcomes = await check_quiet(world)
    print(f"chaos: {received:,.0f} requests, {world.reloads} reloads; {outcomes}", flush=True)
    await recover(world)
    if options.reloads:
        print("chaos:", await reload_many(world, options.reloads), flush=True)
    begin_chaos(world)
    await world.loop.sleep(options.seconds * 0.2)
    world.is_leaving = True
    world.judge.note_leaving()
    world.signal(signal.SIGTERM)
    await world.until(lambda: world.process.poll() is not None, "its end")
    world.is_over = True
    await world.loop.sleep(0)


def run():
    print(f"chaos: {options.gateway}, seed {options.seed}", flush=True)
    world = World()
    world.configure()
    world.start(options.gateway)
    try:
        world.loop.spawn(main(world))
        world.loop.run(lambda: world.process.poll() is not None)
        end = time.monotonic() + 2  # what is on its way to the clients
        world.is_over = True
        world.loop.run(lambda: time.monotonic() > end)
    finally:
        if world.process.poll() is None:
            world.process.kill()
        world.replicas.kill()
    world.judge.is_cut_short = "drain.timeout is over" in world.said()
    world.judge.check_requests(world.judge.lines(), False)
    world.judge.check_end(world.process.wait(), world.said())
    if world.judge.complaints:
        print(f"chaos: {len(world.judge.complaints)} complaints; seed {options.seed}; kept in {world.folder}")
        return 1
    if options.keep:
        print(f"chaos: kept in {world.folder}")
    else:
        shutil.rmtree(world.folder)
    print("chaos: all held")
    return 0


if __name__ == "__main__":
    sys.exit(run())
