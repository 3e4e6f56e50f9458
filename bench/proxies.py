"""The proxies under test as processes: started, pinned to a CPU, asked what they have used."""
import os
import socket
import string
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BUILD = os.path.join(ROOT, "build", "bench")


def build_programs():
    """The upstream and the relay."""
    os.makedirs(BUILD, exist_ok=True)
    for name in ("upstream", "relay"):
        subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-o", f"{BUILD}/{name}", f"{HERE}/{name}.c"], check=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpus_for(role):
    """Proxies have a CPU of their own where there are two."""
    cpus = sorted(os.sched_getaffinity(0))
    return {cpus[0]} if role == "proxy" else set(cpus[1:2] or cpus)


class Proxy:
    def __init__(self, name, command, work, upstream_port, cpus, workers=1):
        self.name, self.port = name, free_port()
        self.values = {"PORT": self.port, "UPSTREAM_PORT": upstream_port, "WORK": work, "DEAD_PORT": free_port(), "WORKERS": workers}
        began = time.monotonic()
        self.process = subprocess.Popen([self.fill(word, work) for word in command], env={**os.environ, **{k: str(v) for k, v in self.values.items()}},
                                        preexec_fn=lambda: os.sched_setaffinity(0, cpus), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not is_open(self.port):
            assert self.process.poll() is None, f"{name} did not start"
            time.sleep(0.0005)
        self.ready_ms = (time.monotonic() - began) * 1000

    def fill(self, word, work):
        """A configuration file is filled in and stands in the working folder."""
        if word.endswith((".yml", ".conf")):
            with open(word) as template:
                text = string.Template(template.read()).safe_substitute(self.values)
            word = os.path.join(work, f"{self.name}-{os.path.basename(word)}")
            with open(word, "w") as file:
                file.write(text)
        return word.replace("${PORT}", str(self.port))

    def pids(self):
        found = [self.process.pid]
        for pid in found:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                found += map(int, children.read().split())
        return found

    def cpu_ns(self):
        total = 0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as stat:
                    total += int(stat.read().split()[0])
        return total

    def resident_kib(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status") as status:
                total += next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        return total

    def stop(self):
        self.process.terminate()  # nginx takes its worker along
        self.process.wait()
