"""User instructions (callgrind) and system calls (strace) of one request: counted rather than timed, so that no neighbour on the
machine can change them.

The clients and the upstream are played here, in step: while the proxy is stopped every client sends its request, then the proxy
runs until the upstream has them all and it waits; it is stopped again, the upstream answers them all, and it runs until every
client has its answer. So each turn of its loop finds as many events as there are clients, in every run alike. Some of these
rounds go uncounted, until every connection is made and the breaker is open where it shall be. The processor that valgrind
plays is told to libc without its vector extensions, so that libc chooses the same functions everywhere.
"""
import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time

from proxies import COMMANDS, Process

BODY = b'{"id":7,"ward":"' + b"x" * 127 + b'"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
PLAIN_CPU = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-SSSE3,-SSE4_1,-SSE4_2"}
# So that one process is what is counted, not a master and a worker.
EXTRA = {"nginx": "master_process off;"}
GUARD = 120


def fields_text(fields):
    return "".join(field + "\r\n" for field in fields)


class Upstream:
    """Holds requests until it is told to answer."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.listener.bind(("", 0))
        self.listener.listen(4096)
        self.port = self.listener.getsockname()[1]
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.connections = {}
        self.waiting = []

    def collect(self, count):
        while len(self.waiting) < count:
            ready = self.poll.poll(GUARD)
            assert ready, "the proxy sends nothing more"
            for number, _ in ready:
                if number == self.listener.fileno():
                    connection, _ = self.listener.accept()
                    self.connections[connection.fileno()] = [connection, b""]
                    self.poll.register(connection, select.EPOLLIN)
                    continue
                held = self.connections[number]
                got = held[0].recv(65536)
                held[1] += got
                if not got:
                    self.poll.unregister(held[0])
                    self.connections.pop(number)[0].close()
                elif held[1].endswith(b"\r\n\r\n"):
                    held[1] = b""
                    self.waiting.append(held[0])

    def answer(self):
        for connection in self.waiting:
            connection.sendall(ANSWER)
        self.waiting = []

    def close(self):
        self.poll.close()
        self.listener.close()
        for connection, _ in self.connections.values():
            connection.close()


class Clients:
    """With `closes` each request comes on a connection of its own."""

    def __init__(self, port, count, paths, fields, status, closes):
        self.port, self.count, self.closes = port, count, closes
        fields = (*fields, "Connection: close") if closes else fields
        self.requests = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{fields_text(fields)}\r\n".encode() for path in paths]
        self.next = 0
        self.status = b" %d " % status
        self.sockets = []

    def connect(self):
        self.sockets = [socket.create_connection(("127.0.0.1", self.port), timeout=GUARD) for _ in range(self.count)]
        for one in self.sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self):
        if not self.sockets:
            self.connect()
        for one in self.sockets:
            one.sendall(self.requests[self.next % len(self.requests)])
            self.next += 1

    def collect(self):
        for one in self.sockets:
            got = b""
            while b"\r\n\r\n" not in got or len(got) < got.index(b"\r\n\r\n") + 4 + int(re.search(rb"(?i)\ncontent-length: (\d+)", got)[1]):
                more = one.recv(65536)
                assert more, "the proxy closed a connection"
                got += more
            assert self.status in got.split(b"\r\n", 1)[0], got
        if self.closes:
            assert not any(one.recv(1) for one in self.sockets), "the proxy says more"
            self.close()

    def close(self):
        for one in self.sockets:
            one.close()
        self.sockets = []


def tasks(pid):
    return os.listdir(f"/proc/{pid}/task")


def of_task(pid, task, field):
    with open(f"/proc/{pid}/task/{task}/status") as status:
        return next(line.split()[1] for line in status if line.startswith(field + ":"))


def until(holds, what):
    limit = time.monotonic() + GUARD
    while not holds():
        assert time.monotonic() < limit, what
        time.sleep(0.0001)


def wait_for_state(pid, states):
    until(lambda: all(of_task(pid, task, "State") in states for task in tasks(pid)), states)


@contextlib.contextmanager
def paused(pid):
    """The proxy stands still, having had nothing left to do."""
    wait_for_state(pid, "S")
    os.kill(pid, signal.SIGSTOP)
    wait_for_state(pid, "Tt")
    yield
    os.kill(pid, signal.SIGCONT)


def vgdb(pid, command):
    subprocess.run(["vgdb", f"--pid={pid}", command], check=True, capture_output=True, timeout=GUARD)


class Callgrind:
    """Counts between two dumps, each of which begins anew."""

    def __init__(self, folder):
        self.out = os.path.join(tempfile.mkdtemp(dir=folder), "out")
        self.command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={self.out}"]
        self.environment = PLAIN_CPU

    def begin(self, pid):
        vgdb(pid, "dump")

    def end(self, pid):
        vgdb(pid, "dump")
        with open(self.out + ".2") as file:
            return int(re.search(r"^totals: (\d+)$", file.read(), re.M).group(1))


class Strace:
    command, environment = [], {}

    def __init__(self, folder):
        self.out = os.path.join(tempfile.mkdtemp(dir=folder), "out")

    def begin(self, pid):
        self.process = subprocess.Popen(["strace", "-c", "-f", "-U", "calls,name", "-o", self.out, "-p", str(pid)], stderr=subprocess.DEVNULL)
        until(lambda: all(of_task(pid, task, "TracerPid") != "0" for task in tasks(pid)), "strace is attached")

    def end(self, _):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(GUARD)
        with open(self.out) as file:
            counts = {words[1]: int(words[0]) for words in map(str.split, file) if len(words) == 2 and words[0].isdigit()}
        counts.pop("total", None)
        return sum(counts.values())


def cost(counter, name, folder, rounds=20, warm=4, connections=64, paths=("/145",), fields=(), status=200, closes=False, calls=1, prepare=None,
         **values):
    """Counts the cost of a request, for which the upstream is called `calls` times, one after the other. prepare(port) may open
    connections that stay open, and returns them."""
    tool, upstream = counter(folder), Upstream()
    values = {"UPSTREAM_PORT": upstream.port, "EXTRA": EXTRA.get(name, ""), **values}
    proxy = Process(name, [*tool.command, *COMMANDS[name]], folder, "any", values, tool.environment)
    pid = proxy.process.pid
    try:
        held = prepare(proxy.port) if prepare else None
        clients = Clients(proxy.port, connections, paths, fields, status, closes)
        pause = paused if connections > 1 else contextlib.nullcontext  # one alone is in step anyway
        for number in range(warm + rounds):
            if number == warm:
                tool.begin(pid)
            with pause(pid):
                clients.ask()
            for _ in range(calls if status == 200 else 0):
                upstream.collect(connections)
                with pause(pid):
                    upstream.answer()
            clients.collect()
        counted = tool.end(pid)
        clients.close()
        del held
    finally:
        proxy.process.kill()
        proxy.process.wait()
        upstream.close()
    return counted / (rounds * connections)
