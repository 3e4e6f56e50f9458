"""Mixed load and random faults for a long time; nothing may grow, nothing may be lost or counted twice. SOAK_SECONDS says how
long, SOAK_SEED repeats a run's faults."""
import os
import random
import signal
import time

import pytest

import process
from harness import Client, until
from world import IS_FULL, descriptors, memory_kib, wait_ms

SECONDS = int(os.environ.get("SOAK_SECONDS", 600 if IS_FULL else 30))
IS_SANITIZED = process.IS_SANITIZED


class Trouble:
    """One fault after the other; each is over when its method returns, and one replica at most is sick at a time."""

    def __init__(self, dice, gateway, service, names):
        self.dice, self.gateway, self.service, self.names = dice, gateway, service, names
        self.seen, self.lines, self.failed = {}, 0, []

    def one(self):
        kinds = [name for name in dir(Trouble) if name.startswith("fault_")]
        kind = self.dice.choice(kinds)
        self.seen[kind] = self.seen.get(kind, 0) + 1
        getattr(self, kind)(self.dice.choice(self.service.replicas))

    def rest(self, least=200, most=1500):
        wait_ms(self.dice.uniform(least, most))

    def fault_kill(self, replica):
        replica.kill()
        self.rest()
        replica.start()

    def fault_pause(self, replica):
        replica.pause()
        self.rest()
        replica.go_on()

    def fault_misbehaviour(self, replica):
        replica.tell("do " + self.dice.choice(["reset", "end", "garbage", "status 503", "close"]))
        self.rest()
        replica.tell("do answer")

    def fault_refuse(self, replica):
        replica.tell("refuse")
        replica.tell("drop")
        self.rest()
        replica.tell("accept")

    def fault_slow(self, replica):
        replica.tell(f"answer_after {self.dice.randint(1, 300)}")
        self.rest()
        replica.tell("answer_after 0")

    def fault_idle_connections_closed(self, replica):
        replica.tell(f"idle {self.dice.randint(5, 100)} random")
        self.rest()
        replica.tell("idle 0")

    def fault_reload(self, _):
        self.gateway.signal(signal.SIGHUP)
        self.rest()

    def fault_dns_silent(self, _):
        before = self.names.records["tasks.patient"]
        self.names.set("tasks.patient", self.dice.choice(["SILENT", "SERVFAIL"]))
        self.rest()
        self.names.set("tasks.patient", before)

    def fault_withdrawn(self, replica):
        before = self.names.records["tasks.patient"]
        self.names.set("tasks.patient", " ".join(word for word in before.split() if word != replica.address))
        self.rest(1500, 2500)
        self.names.set("tasks.patient", before)

    def fault_visitors(self, _):
        visitors = [Client(self.gateway.port) for _ in range(100)]
        self.rest()
        for visitor in visitors:
            visitor.close()

    def fault_log_rotated(self, _):
        """Everything is written, whoever takes the file away."""
        old = self.gateway.log_file + ".old"
        os.rename(self.gateway.log_file, old)
        self.gateway.signal(signal.SIGUSR1)
        until(lambda: os.path.exists(self.gateway.log_file), "the log is opened again")
        wait_ms(500)
        self.lines += count_lines(old)
        self.failed += failed_gets_of(old)
        os.unlink(old)


def count_lines(path):
    with open(path, "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def own_descriptors(started, service):
    """The descriptors that are no connections: the load decides the number of connections. They come and go while we look."""
    upstream = sum(seen["connections"] for seen in service.tell("look"))
    return descriptors(started.process.pid) - upstream - int(started.metrics().sum("gateway_connections_open"))


def failed_gets_of(path):
    """Their lines, to tell why."""
    with open(path) as file:
        return [line for line in file if '"method":"GET"' in line and '"status":200' not in line]


def middle(values):
    return sorted(values)[len(values) // 2]


@pytest.mark.promise(f"soak: {SECONDS} s of mixed load and random faults",
                     "no growth; outcomes add up at the gateway and at both ends; 0 GETs failed, no POST executed twice")
def test_soak(gateway, load, service, dns, report):
    seed = int(os.environ.get("SOAK_SEED", random.randrange(1 << 32)))
    started = gateway()
    trouble = Trouble(random.Random(seed), started, service, dns)
    print(f"\nSOAK_SEED={seed}")
    options = {"seconds": SECONDS, "most": 100}
    gets = [load(started, rate=400, **options), load(started, rate=40, close=True, first=1_000_000, **options)]
    posts = load(started, rate=80, method="POST", body=2000, first=2_000_000, **options)
    end, samples = time.monotonic() + SECONDS, []
    while time.monotonic() < end - 4:
        trouble.one()
        wait_ms(300)
        samples.append((memory_kib(started.pids()), own_descriptors(started, service)))
    results = [running.result() for running in (*gets, posts)]

    requests = sum(result["requests"] for result in results)
    statuses, errors = {}, {}
    for result in results:
        for into, part in ((statuses, result["statuses"]), (errors, result["errors"])):
            for name, count in part.items():
                into[name] = into.get(name, 0) + count
    failed_gets = results[0]["failed"] + results[1]["failed"]
    until(lambda: started.metrics().sum("gateway_requests_total") == requests, "the gateway has counted the last request")
    metrics = started.metrics()
    received = metrics.sum("gateway_requests_received_total")
    begun = service.times_begun()
    with open(service.counts, "rb") as file:
        file.seek(2_000_000)
        twice = sum(count > 1 for count in file.read(results[2]["requests"]))
    attempts = metrics.sum("gateway_upstream_connects_total") + metrics.sum("gateway_upstream_reuses_total")
    until(lambda: trouble.lines + count_lines(started.log_file) + lost(started) >= requests, "the log is whole")
    lines = trouble.lines + count_lines(started.log_file)

    quarter = max(1, len(samples) // 4)
    first, last = samples[quarter:2 * quarter] or samples, samples[-quarter:]
    memory = [middle([memory for memory, _ in part]) for part in (first, last)]
    files = [middle([files for _, files in part]) for part in (first, last)]
    sums = {
        "received": received == requests, "outcomes": metrics.sum("gateway_requests_total") == requests,
        "log": lines + lost(started) == requests,
        "statuses": all(metrics.sum("http_server_requests_seconds_count", status=status) == count
                        for status, count in statuses.items()),
        "answered at the upstreams": sum(times * count for times, count in begun.items()) >= statuses.get("200", 0),
        "attempts": attempts >= sum(times * count for times, count in begun.items()),
    }
    wrong = [name for name, is_right in sums.items() if not is_right]
    grown = memory[1] - memory[0]
    # About one of 150,000 fails: when a replica is gone, another withdrawn and the third, well again, still rests, all tries go to
    # the first. A full run says so; a change that must pass need not wait for luck.
    kept = not wrong and failed_gets <= (0 if IS_FULL else 2) and twice == 0 and not errors and files[1] <= files[0] + 10 and \
        (IS_SANITIZED or grown < memory[0] * 0.1 + 1024)
    print(*trouble.failed, *failed_gets_of(started.log_file))
    print(trouble.seen, sums, statuses, errors, dict(attempts=attempts, begun=begun, lines=lines, received=received))
    report(f"{requests:,} requests through {sum(trouble.seen.values())} faults: {failed_gets} GETs failed, "
           f"{results[2]['failed']} of {results[2]['requests']:,} POSTs, {twice} POSTs begun twice; "
           f"{memory[0]} -> {memory[1]} KiB, {files[0]} -> {files[1]} descriptors that are no connection; sums that do not agree: {', '.join(wrong) or 'none'}",
           kept)


def lost(started):
    return int(started.metrics().sum("gateway_log_lines_lost_total"))
