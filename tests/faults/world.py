"""The world of a fault: replicas that misbehave on demand, and the proxy before them: the gateway, or a peer from Debian."""
import json
import os
import signal
import string
import subprocess
import sys
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, "build")
for folder in ("system", "load"):
    sys.path.insert(0, os.path.join(ROOT, "tests", folder))

import harness  # noqa: E402
import process  # noqa: E402
from load import Load  # noqa: E402,F401

IS_FULL = os.environ.get("FAULTS") == "full"
IS_ISOLATED = "FAULTS_ISOLATED" in os.environ
ADDRESSES = [f"127.0.0.{number}" for number in range(11, 17)]
MOST_IDS = 4_000_000
needs_namespace = pytest.mark.skipif(not IS_ISOLATED, reason="needs a network namespace of its own (root, or user namespaces)")


class Replica:
    """A replica.c; commands are its: replica.tell("do reset")."""

    def __init__(self, address, port, counts):
        self.address, self.port, self.counts = address, port, counts
        self.process = None
        self.start()

    def start(self):
        command = [os.path.join(ROOT, "build/faults/replica"), "--listen", f"{self.address}:{self.port}", "--name", self.address,
                   "--counts", self.counts]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline(), "the replica did not start"

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, line
        return answer

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def is_up(self):
        return self.process.poll() is None


class Service:
    """Replicas on addresses of their own and one port, as a swarm has them."""

    def __init__(self, folder, count=3, first=0):
        self.counts = os.path.join(folder, f"counts-{first}")
        with open(self.counts, "wb") as file:
            file.truncate(MOST_IDS)
        addresses = ADDRESSES[first:first + count]
        self.port = harness.free_port(*addresses)
        self.replicas = [Replica(address, self.port, self.counts) for address in addresses]

    def tell(self, line):
        return [replica.tell(line) for replica in self.replicas]

    def received(self):
        return sum(seen["received"] for seen in self.tell("look"))

    def times_begun(self):
        """{how often a request was begun: by how many requests}, over all replicas that ever were."""
        with open(self.counts, "rb") as file:
            counts = file.read()
        return {times: counts.count(times) for times in set(counts) - {0}}

    def stop(self):
        for replica in self.replicas:
            if replica.is_up():
                replica.kill()


class Gateway(process.Gateway):
    """With its defaults, its log to a file, and the replicas behind a name."""
    name = "gateway"

    def __init__(self, folder, service, names, upstream=None, routes=None, env=None, prefix=(), **keys):
        self.log_file = os.path.join(folder, "access.log")
        names.set("tasks.patient", " ".join(replica.address for replica in service.replicas))
        upstream = {"url": f"http://tasks.patient:{service.port}", **(upstream or {})}
        keys = {"workers": None, "drain": None, "access_log": self.log_file, "dns": {"servers": [f"127.0.0.1:{names.port}"]}, **keys}
        super().__init__(folder, {"patient": upstream, **keys.pop("upstreams", {})}, routes, env, prefix, **keys)
        harness.until(lambda: len(self.endpoints()) == len(service.replicas), "all replicas are known")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/patient"

    def pids(self):
        return [self.process.pid]

    def lines_of_log(self):
        with open(self.log_file) as file:
            return [json.loads(line) for line in file]


class Peer:
    """haproxy or nginx from Debian's package, for comparison: no promise of theirs is asserted."""
    SERVER = {"haproxy": "    server {name} {name}:{port}", "nginx": "        server {name}:{port} max_fails=0;"}
    FILE = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}

    def __init__(self, name, folder, service, configuration=None, **values):
        self.name, self.folder, self.service = name, folder, service
        self.port = harness.free_port()
        self.file = os.path.join(folder, self.FILE[name])
        with open(os.path.join(HERE, "peers", configuration or self.FILE[name])) as file:
            template = string.Template(file.read())
        servers = "\n".join(self.SERVER[name].format(name=replica.address, port=service.port) for replica in service.replicas)
        with open(self.file, "w") as file:
            file.write(template.substitute(WORK=folder, PORT=self.port, SERVERS=servers, **values))
        command = {"haproxy": ["haproxy", "-W", "-db", "-f", self.file], "nginx": ["nginx", "-c", self.file]}[name]
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, "PATH": path})
        self.url = f"http://127.0.0.1:{self.port}/patient"
        harness.until(self.answers, name)

    def answers(self):
        try:
            client = harness.Client(self.port)
            client.ask()
            client.answer()
            client.close()
            return True
        except (OSError, EOFError):
            return False

    def pids(self):
        """Its worker processes."""
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout
        return [int(pid) for pid in children.split()]

    def reload(self):
        self.process.send_signal({"haproxy": signal.SIGUSR2, "nginx": signal.SIGHUP}[self.name])

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        for pid in self.pids() + [self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


def memory_kib(pids, what="VmRSS"):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith(what + ":"))
    return total


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def percentile(values, share):
    values = sorted(values)
    return values[int((len(values) - 1) * share)] if values else 0.0


def figures(result):
    latency = result["latency_ms"]
    errors = ", ".join(f"{count} {name}" for name, count in
                       [*((f"status {s}", n) for s, n in result["statuses"].items() if s[0] != "2"), *result["errors"].items()])
    return (f"{result['failed']:,} of {result['requests']:,} failed" + (f" ({errors})" if errors else "") +
            f", p50 {latency['p50']:.1f}, p99 {latency['p99']:.1f}, slowest {latency['max']:.0f} ms" +
            (f" (the load itself did not run for {result['away_ms']} ms)" if result["away_ms"] else ""))


def is_under(result, p99_ms):
    """Where the machine is busy with other things latency says nothing: only a full run looks at it."""
    return not IS_FULL or result["latency_ms"]["p99"] < p99_ms


def wait_ms(milliseconds):
    time.sleep(milliseconds / 1000)
