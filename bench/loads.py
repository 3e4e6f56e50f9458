"""One burst of load: wrk, or the load of this folder where wrk can't do it, and what the proxy spent on it."""
import dataclasses
import json
import os
import signal
import subprocess
import tempfile
import time

from proxies import BUILD, HERE, take_place


class BurstFailed(Exception):
    """Not every request was answered as it should be, so the figures are no good."""


@dataclasses.dataclass(frozen=True)
class Load:
    """wrk: each connection asks as soon as it is answered. load: the same, or with a connection for each request, or `rate` requests
    a second, due at random times; of several paths each in its turn."""
    tool: str = "wrk"
    connections: int = 64
    paths: tuple = ("/145",)
    fields: tuple = ()
    body: int = 0
    closes: bool = False
    rate: float = 0
    status: int = 200

    def command(self, port, seconds, seed):
        if self.tool == "wrk":
            fields = [word for field in self.fields for word in ("-H", field)]
            return ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds + 5:.0f}s", "-s", f"{HERE}/wrk.lua", *fields,
                    f"http://127.0.0.1:{port}{self.paths[0]}", *(["--", str(self.body)] if self.body else [])]
        fields = [*self.fields, *(["Connection: close"] if self.closes else [])]
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            for path in self.paths:
                file.write("\r\n".join([f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *fields, "", ""]))
        return [f"{BUILD}/load", f"-c{self.connections}", f"-d{seconds * 1000:.0f}", f"-r{self.rate:.0f}", f"-s{seed}",
                *(["-x"] if self.closes else []), "127.0.0.1", str(port), file.name]


def run(load, port, seconds, seed, at_half=lambda: None):
    """The tool's report of a burst, as a dictionary."""
    command = load.command(port, seconds, seed)
    tool = subprocess.Popen(command, preexec_fn=lambda: take_place("load"), stdout=subprocess.PIPE, text=True)
    time.sleep(seconds / 2)
    at_half()
    time.sleep(seconds / 2)
    if load.tool == "wrk":
        tool.send_signal(signal.SIGINT)  # it only knows whole seconds, but ends well when interrupted
    text, _ = tool.communicate()
    if load.tool != "wrk":
        os.unlink(command[-1])
    return json.loads(text.splitlines()[-1])


def burst(proxy, load, seconds, seed=1):
    seen = {}
    before = proxy.cpu_ns()
    said = run(load, proxy.port, seconds, seed, lambda: seen.update(resident_mib=proxy.resident_mib()))
    spent = proxy.cpu_ns() - before
    refused = said["requests"] if load.status != 200 else 0
    if said["requests"] == 0 or said["errors"] > 0 or said.get("refused", 0) != refused:
        raise BurstFailed(f"{proxy.name}: {said}")
    return {"cpu_us": spent / said["requests"] / 1000, "rate": said["requests"] / said["seconds"],
            **{name: said[name] for name in ("p50", "p99", "p999")}, **seen}


def system_calls(proxy, load, seconds):
    """Per request, counted by the kernel's own trace point, which costs next to nothing; None where perf may not."""
    for _ in range(3):  # perf may come too late on a busy machine
        counter = subprocess.Popen(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, proxy.pids()))],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(0.2)
        said = run(load, proxy.port, seconds, 1)
        counter.send_signal(signal.SIGINT)
        count = counter.communicate()[1].split(",")[0]
        if count.isdigit():
            return int(count) / said["requests"]
    return None
