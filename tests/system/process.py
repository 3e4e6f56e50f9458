"""The gateway as a process: its file, its signals, its two outputs and its admin listener."""
import fcntl
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time

from harness import BUILD, GUARD, free_port, until

BINARY = os.path.abspath(os.environ.get("GATEWAY_BINARY", os.path.join(BUILD, "gateway")))
with open(BINARY, "rb") as code:
    SANITIZERS = set(re.findall(rb"__([at])san_init", code.read()))
IS_SANITIZED, HAS_THREAD_SANITIZER = bool(SANITIZERS), b"t" in SANITIZERS
REPORTS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|runtime error:")
SERIES = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
FILLER, F_SETPIPE_SZ = b"filler\n", 1031
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')


def run(*arguments, cwd=None, env=None):
    """One run of the command line to its end."""
    return subprocess.run([BINARY, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


def each(process, kind, read):
    """What `read` says of the paths of its threads ("task") or descriptors ("fd"), without one that ends meanwhile."""
    for name in os.listdir(f"/proc/{process.pid}/{kind}"):
        try:
            yield read(f"/proc/{process.pid}/{kind}/{name}")
        except (FileNotFoundError, ProcessLookupError):
            pass


def memory(running, what):
    """VmRSS, VmHWM (the most it ever was) or VmPeak (of addresses, used or not), in bytes."""
    with open(f"/proc/{running.process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what + ":"))


class Metrics(list):
    """(name, labels, value) for every series."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = SERIES.match(line).groups()
                self.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def find(self, series, /, **labels):
        return [(found, value) for name, found, value in self
                if name == series and labels.items() <= found.items()]

    def sum(self, series, /, **labels):
        return sum(value for _, value in self.find(series, **labels))


class Gateway:
    """gateway(upstreams, routes, **keys): what is not said has a default that suits a test. `upstreams` is an Upstream,
    an url, or a dictionary of names to those or to the keys of gateway.yml; `routes` is a list of routes or None for one
    route for everything. JSON is YAML, so the file is written as JSON."""
    admin_address, admin_port = "127.0.0.1", None

    def __init__(self, folder, upstreams, routes=None, env=None, prefix=(), **keys):
        self.folder = folder
        self.file = os.path.join(folder, "gateway.yml")
        self.port, self.admin_port = free_port(), self.admin_port or free_port()
        self.stopped = None
        self.configure(upstreams, routes, **keys)
        self.lines, self.errors = [], []
        self.may_read, self.held_back = threading.Event(), set()
        self.may_read.set()
        self.process = subprocess.Popen([*prefix, BINARY, "--config", self.file], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, errors="replace", env=env, cwd=folder)
        self.readers = [threading.Thread(target=self.collect, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for reader in self.readers:
            reader.start()
        until(lambda: self.has_said("ready") or self.process.poll() is not None, "ready")
        assert self.process.poll() is None, f"the gateway did not start:\n{self.stderr}"

    def configure(self, upstreams, routes=None, **keys):
        """Writes the file anew."""
        if not isinstance(upstreams, dict):
            upstreams = {"patient": upstreams}
        named = {}
        for name, what in upstreams.items():
            what = getattr(what, "url", what)
            named[name] = dict(what, url=getattr(what["url"], "url", what["url"])) if isinstance(what, dict) else {"url": what}
        routes = routes or [{"path": "/", "upstream": next(iter(named))}]
        tree = {"listen": f"127.0.0.1:{self.port}", "admin": f"{self.admin_address}:{self.admin_port}", "workers": 2,
                "drain": {"delay": "0s", "timeout": "5s"}, **keys, "upstreams": named,
                "routes": [dict({"upstream": next(iter(named))}, **route) for route in routes]}
        self.write(json.dumps({key: value for key, value in tree.items() if value is not None}, indent=1))

    def write(self, text):
        with open(self.file + ".new", "w") as file:
            file.write(text)
        os.rename(self.file + ".new", self.file)

    def collect(self, pipe, into):
        for line in pipe:
            if not self.may_read.is_set():
                self.held_back.add(pipe)
                self.may_read.wait()
            if line != FILLER.decode():
                into.append(line)

    def stop_reading(self):
        """Nobody takes what it writes from now on, and there is no room for more."""
        self.may_read.clear()
        for pipe in (self.process.stdout, self.process.stderr):
            fcntl.fcntl(pipe, F_SETPIPE_SZ, 4096)
            filling = os.open(f"/proc/self/fd/{pipe.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
            os.write(filling, FILLER)
            until(lambda: pipe in self.held_back, "the reader holds back")
            try:
                while True:
                    os.write(filling, FILLER)
            except BlockingIOError:
                os.close(filling)

    def go_on_reading(self):
        self.may_read.set()

    @property
    def stderr(self):
        return "".join(self.errors)

    def has_said(self, words):
        return any(words in line for line in list(self.errors))

    def must_say(self, *words):
        """Each of them: a line comes through a pipe, and so a little after what it tells of."""
        for each in words:
            until(lambda: self.has_said(each), f"the gateway says: {each}")

    def log(self, count=None):
        """The access log, parsed; waits until there are so many lines."""
        if count is not None:
            until(lambda: len(self.lines) >= count, f"{count} lines in the access log, {len(self.lines)} are there")
        return [json.loads(line) for line in list(self.lines)]

    def signal(self, number):
        """After SIGSTOP: when all its threads stand still, so that none of them sees what comes now."""
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            until(lambda: self.thread_states() == {"T"}, "all stand still")

    def thread_states(self):
        def state(thread):
            with open(thread + "/stat") as stat:
                return stat.read().rpartition(") ")[2][0]
        return set(each(self.process, "task", state))

    def reload(self):
        """SIGHUP; waits until it is said how that went."""
        before = len(self.errors)
        self.signal(signal.SIGHUP)
        words = re.compile(r"reload", re.I)
        until(lambda: any(words.search(line) for line in self.errors[before:]), "word of the reload")
        return "".join(self.errors[before:])

    def ask_admin(self, path, method="GET", body=None, headers=None):
        """(status, headers, text)"""
        connection = http.client.HTTPConnection(self.admin_address, self.admin_port, timeout=GUARD)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def admin(self, path, status=200):
        """The JSON of an admin path."""
        got, _, text = self.ask_admin(path)
        assert got == status, f"{path}: {got} {text}"
        return json.loads(text)

    def metrics(self):
        status, _, text = self.ask_admin("/metrics")
        assert status == 200
        return Metrics(text)

    def breaker(self, name="patient"):
        return self.admin("/actuator/circuitbreakers")["circuitBreakers"][name]

    def force(self, state, name="patient"):
        status, _, text = self.ask_admin(f"/actuator/circuitbreakers/{name}", "POST", json.dumps({"updateState": state}),
                                         {"Content-Type": "application/json"})
        assert status == 200, text
        return json.loads(text)

    def wait_for_state(self, state, name="patient"):
        until(lambda: self.breaker(name)["state"] == state, f"breaker {state}, is {self.breaker(name)}")

    def endpoints(self, name="patient"):
        """The addresses that the gateway knows of an upstream."""
        def addresses(value):
            if isinstance(value, dict):
                return sum((addresses(v) for v in value.values()), [])
            if isinstance(value, list):
                return sum((addresses(v) for v in value), [])
            return re.findall(r"^\d+\.\d+\.\d+\.\d+:\d+$", value) if isinstance(value, str) else []

        tree = self.admin("/upstreams")
        tree = tree.get("upstreams", tree) if isinstance(tree, dict) else tree
        found = tree[name] if isinstance(tree, dict) else next(one for one in tree if one["name"] == name)
        return sorted(set(addresses(found)))

    def wait(self):
        """For its end; gives the exit status."""
        status = self.process.wait(GUARD * 2)
        for reader in self.readers:
            reader.join(GUARD)
        return status

    def terminate(self):
        """The ThreadSanitizer of gcc 12 loses a signal now and then (once in about 700 starts), and its gateway hears nothing."""
        self.process.terminate()
        for _ in range(3 if IS_SANITIZED else 0):
            try:
                return until(lambda: self.has_said("SIGTERM") or self.process.poll() is not None, "it hears the signal", seconds=10)
            except AssertionError:
                self.process.terminate()

    def stop(self):
        if self.stopped is not None:
            return
        self.stopped = time.monotonic()
        self.go_on_reading()
        if self.process.poll() is None:
            self.terminate()
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = f"none: it had to be killed ({self.wait()})"
        self.process.stdout.close()
        self.process.stderr.close()
        assert not REPORTS.search(self.stderr), self.stderr
        assert status == 0, f"exit status {status}\n{self.stderr[-4000:]}"
