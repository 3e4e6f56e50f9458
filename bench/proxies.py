"""The proxies under test as processes: started, pinned to a CPU, asked what they have used."""
import os
import shutil
import socket
import string
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BUILD = os.path.join(ROOT, "build", "bench")
GATEWAY = os.path.join(ROOT, "build", "gateway")
COMMANDS = {
    "relay": [f"{BUILD}/relay", "127.0.0.1", "${PORT}", "127.0.0.1", "${UPSTREAM_PORT}", "${BUFFER_KIB}"],
    "haproxy": ["haproxy", "-db", "-f", f"{HERE}/peers/haproxy.cfg"],
    "nginx": ["nginx", "-c", f"{HERE}/peers/nginx.conf"],
    "h2o": ["h2o", "-c", f"{HERE}/peers/h2o.conf"],
    "gateway": [GATEWAY, "--config", f"{HERE}/gateway.yml"],
}
TEMPLATES = (".yml", ".cfg", ".conf")


def is_here(name):
    """A peer that this system does not have is left out."""
    return name not in COMMANDS or name in ("relay", "gateway") or shutil.which(COMMANDS[name][0]) is not None


def build_programs():
    """The upstream, the relay and the load."""
    os.makedirs(BUILD, exist_ok=True)
    for name in ("upstream", "relay", "load"):
        subprocess.run(["gcc", "-O2", "-Wall", "-D_GNU_SOURCE", "-o", f"{BUILD}/{name}", f"{HERE}/{name}.c", "-lm"], check=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpus_for(role):
    """The proxies have a CPU to themselves where there are two; the load and the upstream share the other."""
    cpus = sorted(os.sched_getaffinity(0))
    return {"proxy": {cpus[0]}, "load": set(cpus[1:2] or cpus), "any": set(cpus)}[role]


def take_place(role):
    """For a process that is about to begin. Load and upstream run as batch jobs, which don't interrupt each other: else each request
    that a proxy sends on may make the kernel take the other CPU from the one for the other, in the proxy's time."""
    os.sched_setaffinity(0, cpus_for(role))
    if role == "load":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class Process:
    """A program that listens on a port of its own."""

    def __init__(self, name, command, folder, role, values, environment=None):
        self.name, self.port, self.folder = name, free_port(), folder
        self.values = {"PORT": self.port, "WORK": folder, "DEAD_PORT": free_port(), "WORKERS": 1, "CONNECTIONS": "auto", "ENDPOINT": "127.0.0.1",
                       "BUFFER_KIB": 64, "DNS": "", "ADMIN": "off", "PEERS": "", "MORE_UPSTREAMS": "", "MORE_ROUTES": "", "WAY": "", "EXTRA": "",
                       **values}
        words = [self.fill(word) for word in command]
        began = time.monotonic()
        self.process = subprocess.Popen(words, env={**os.environ, **(environment or {})},
                                        preexec_fn=lambda: take_place(role),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not is_open(self.port):
            assert self.process.poll() is None, f"{name} did not start: {' '.join(words)}"
            time.sleep(0.0002)
        self.ready_ms = (time.monotonic() - began) * 1000

    def fill(self, word):
        """A configuration file is filled in and stands in a folder of its own."""
        if word.endswith(TEMPLATES):
            with open(word) as template:
                text = template.read()
            for _ in range(2):  # what is filled in may hold something to be filled in
                text = string.Template(text).safe_substitute(self.values)
            word = os.path.join(tempfile.mkdtemp(dir=self.folder), os.path.basename(word))
            os.chmod(os.path.dirname(word), 0o755)
            with open(word, "w") as file:
                file.write(text)
        return string.Template(word).safe_substitute(self.values)

    def pids(self):
        found = [self.process.pid]
        for pid in found:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                found += map(int, children.read().split())
        return found

    def cpu_ns(self):
        """By each process' own clock (clock_getcpuclockid), which remembers threads that are gone, as a JVM's compilers are."""
        return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in self.pids())

    def resident_mib(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status") as status:
                total += next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        return total / 1024

    def stop(self):
        self.process.terminate()  # nginx takes its worker along
        self.process.wait()


class Stage:
    """A folder, an upstream, and the processes that were started beside it; all of them end with it."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="gateway-bench-")
        os.chmod(self.folder, 0o755)
        self.running = []
        self.upstream = self.start("upstream", [f"{BUILD}/upstream", "${PORT}"], "load")
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, role="proxy", **values):
        upstream = {"UPSTREAM_PORT": self.upstream.port} if self.running else {}
        self.running.append(Process(name, command, self.folder, role, {**upstream, **values}))
        return self.running[-1]

    def start_proxy(self, name, **values):
        return self.start(name, COMMANDS[name], **values)

    def stop(self, process):
        self.running.remove(process)
        process.stop()
