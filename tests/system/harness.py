"""A gateway under test, with both ends scripted: raw sockets before it and behind it, so that a test says byte for byte
what was sent and sees byte for byte what came. Nothing sleeps for a while and hopes: tests wait for events, and GUARD is
only there so that a hang ends."""
import itertools
import os
import socket
import struct
import subprocess
import threading
import time

GUARD = 30
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")


def until(question, what="it", seconds=GUARD):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.005)
    return answer


def taken_slowly(port, path, seconds):
    """An answer of which the client takes a little at a time for so long, then the rest. It has little room, and so has who sends:
    the kernel gives a sender room by the size of segments."""
    with socket.socket() as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        slow.settimeout(GUARD)
        slow.connect(("127.0.0.1", port))
        slow.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path.encode())
        end, answer = time.monotonic() + seconds, b""
        while piece := slow.recv(256 if time.monotonic() < end else 1 << 20):
            answer += piece
            if time.monotonic() < end:
                time.sleep(0.2)
        assert time.monotonic() > end, "it was not slow enough"
        return answer


# Below the kernel's range for outgoing connections, where a port that was free a moment ago may be taken. Processes of one run
# (pytest -n) take turns: none may find free what another has just found free. Runs beside each other are told where to begin. After
# the last port, the first ones are free again.
WORKER, WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
LOWEST_PORT, PORTS = 12000, 20000 - 20000 % WORKERS
FIRST_PORT = int(os.environ.get("FIRST_PORT", LOWEST_PORT + (os.getpid() if WORKERS == 1 else os.getppid()) * 37 % PORTS))
assert LOWEST_PORT <= FIRST_PORT < LOWEST_PORT + PORTS
ports = (LOWEST_PORT + (FIRST_PORT - LOWEST_PORT + turn) % PORTS for turn in itertools.count(WORKER, WORKERS))


def free_port(*addresses):
    """A port that is free for TCP and UDP on all of these addresses."""
    for port in ports:
        try:
            for address in addresses or ("127.0.0.1",):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind((address, port))
            return port
        except OSError:
            continue


def ended_after(make, end="stop"):
    """For a fixture: gives out what makes one of something, as often as a test likes, and ends them all after it."""
    made = []

    def start(*arguments, **options):
        made.append(make(*arguments, **options))
        return made[-1]

    yield start
    for one in made:
        getattr(one, end)()


class Head:
    """The common part of requests and responses."""

    def __init__(self, head):
        self.raw = head
        lines = head.decode("latin-1").split("\r\n")
        self.first = lines[0]
        self.fields = [(name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines[1:] if line)]
        self.body = b""
        self.trailers = []

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        assert len(values) < 2, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else default

    def names(self):
        return [name.lower() for name, _ in self.fields]


class Request(Head):
    def __init__(self, head):
        super().__init__(head)
        self.method, self.target, self.version = self.first.split(" ")


class Response(Head):
    def __init__(self, head):
        super().__init__(head)
        self.version, status, self.reason = (self.first + " ").split(" ", 2)
        self.status = int(status)
        self.interim = []
        self.reason = self.reason.rstrip(" ")

    def __repr__(self):
        return f"<{self.first!r} {self.fields} {self.body[:200]!r}>"


class Wire:
    """One end of a TCP connection, with what came too early kept."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.settimeout(GUARD)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = bytearray()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def more(self):
        """False at the end."""
        got = self.socket.recv(65536)
        self.held += got
        return bool(got)

    def take(self, length):
        taken = bytes(self.held[:length])
        del self.held[:length]
        return taken

    def read_until(self, mark):
        while mark not in self.held:
            if not self.more():
                raise EOFError(f"closed after {bytes(self.held)!r}")
        return self.take(self.held.index(mark) + len(mark))

    def read(self, length):
        while len(self.held) < length:
            if not self.more():
                raise EOFError(f"closed after {len(self.held)} of {length} bytes")
        return self.take(length)

    def read_all(self):
        while self.more():
            pass
        return self.take(len(self.held))

    def read_chunked(self, message):
        body = []
        while size := int(self.read_until(b"\r\n").split(b";")[0], 16):
            body.append(self.read(size))
            assert self.read(2) == b"\r\n"
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            message.trailers.append((name, value.strip()))
        message.body = b"".join(body)

    def is_closed(self):
        """Waits for the other side's end; a reset is one, too."""
        try:
            left = self.read_all()
        except ConnectionResetError:
            return True
        assert left == b"", f"not closed, but {left!r}"
        return True

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


class Client(Wire):
    def __init__(self, port, address="127.0.0.1", receive_buffer=None, source=None, segment=None):
        connecting = socket.socket()
        if source:
            connecting.bind((source, 0))
        if receive_buffer:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if segment:  # whose size also decides how much room the kernel gives the other side for what it sends
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        connecting.settimeout(GUARD)
        connecting.connect((address, port))
        super().__init__(connecting)

    def ask(self, method="GET", target="/", headers=(), body=b"", version="HTTP/1.1"):
        """Sends a request; reads nothing."""
        fields = list(headers.items() if isinstance(headers, dict) else headers)
        names = {name.lower() for name, _ in fields}
        if "host" not in names:
            fields.insert(0, ("Host", "hospital.example"))
        if body and not names & {"content-length", "transfer-encoding"}:
            fields.append(("Content-Length", len(body)))
        head = f"{method} {target} {version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
        self.send(head.encode("latin-1") + body)

    def answer(self, method="GET"):
        """Reads one whole response, however it is framed."""
        interim = []
        while True:
            response = Response(self.read_until(b"\r\n\r\n"))
            if response.status // 100 != 1 or response.status == 101:
                break
            interim.append(response)
        response.interim = interim
        if method == "HEAD" or response.status in (101, 204, 304):
            return response
        if "chunked" in (response.get("Transfer-Encoding") or ""):
            assert response.get("Content-Length") is None
            self.read_chunked(response)
        elif response.get("Content-Length") is not None:
            response.body = self.read(int(response.get("Content-Length")))
        else:
            response.body = self.read_all()
        return response

    def request(self, method="GET", target="/", headers=(), body=b"", version="HTTP/1.1"):
        self.ask(method, target, headers, body, version)
        return self.answer(method)


class Connection(Wire):
    """An upstream's end of a connection; `number` counts from 0."""

    def __init__(self, connected, number):
        super().__init__(connected)
        self.number = number

    def reply(self, status=200, body=b"ok", headers=(), reason="Some Reason"):
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        if status not in (204, 304) and status // 100 != 1:
            fields += f"Content-Length: {len(body)}\r\n"
        self.send(f"HTTP/1.1 {status} {reason}\r\n{fields}\r\n".encode("latin-1") + body)

    def read_body(self, request):
        if "chunked" in (request.get("Transfer-Encoding") or ""):
            self.read_chunked(request)
        elif request.get("Content-Length") is not None:
            request.body = self.read(int(request.get("Content-Length")))
        return request.body


def plain(connection, request):
    connection.reply()


def failing(connection, request):
    connection.reply(500, b"broken")


def resetting(connection, request):
    connection.reset()


def closing(connection, request):
    connection.close()


class Upstream:
    """handler(connection, request) is called for each request, on a thread of the connection. It may be exchanged while
    the server runs. With whole=False it is called after the head; the body is then the handler's to read."""

    def __init__(self, handler=None, address="127.0.0.1", port=0, whole=True, backlog=128, receive_buffer=None):
        self.handler = handler or plain
        self.whole = whole
        self.requests, self.connections, self.errors = [], [], []
        self.stopping = False
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind((address, port or free_port(address)))
        self.address, self.port = self.listener.getsockname()
        self.url = f"http://{self.address}:{self.port}"
        self.listener.listen(backlog)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            if self.stopping:
                accepted.close()
                return
            connection = self.connected(accepted, len(self.connections))
            connection.socket.settimeout(120)
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def connected(self, accepted, number):
        return Connection(accepted, number)

    def serve(self, connection):
        try:
            while True:
                request = Request(connection.read_until(b"\r\n\r\n"))
                if self.whole:
                    connection.read_body(request)
                self.requests.append(request)
                self.handler(connection, request)
        except (EOFError, OSError):
            pass
        except Exception as error:
            self.errors.append(repr(error))
            raise
        finally:
            connection.close()

    def wait_for(self, count):
        until(lambda: len(self.requests) >= count, f"{count} requests at the upstream, {len(self.requests)} are there")
        return self.requests

    def stop(self):
        """Refuses connections from now on, and cuts those that are open."""
        self.stopping = True
        for end in [self.listener] + [connection.socket for connection in self.connections]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()
        self.thread.join(GUARD)
        assert not self.errors, self.errors


class Dns:
    def __init__(self, folder):
        self.records = {}
        self.file = os.path.join(folder, "records")
        self.write()
        self.process = subprocess.Popen([os.path.join(BUILD, "hospital/dns"), "--listen", "127.0.0.1", "--records",
                                         self.file, "--verbose"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        self.queries = []
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        for line in self.process.stdout:
            self.queries.append(tuple(line.split()[1:]))

    def write(self):
        with open(self.file + ".new", "w") as file:
            for name, words in self.records.items():
                file.write(f"{name} {words}\n")
        os.rename(self.file + ".new", self.file)

    def set(self, name, words):
        self.records[name] = words
        self.write()

    def count(self, name=None):
        return sum(1 for query in self.queries if name in (None, query[0]))

    def wait_for_more(self, name, count):
        """Until so many more questions were asked about a name."""
        before = self.count(name)
        until(lambda: self.count(name) >= before + count, f"{count} more queries for {name}")

    def stop(self):
        self.process.terminate()
        self.process.wait(GUARD)
        self.thread.join(GUARD)
        self.process.stdout.close()
