"""Both ends of a proxy, each of which forgives nothing: a client that sends a case's bytes, and an upstream that records what
arrives. Nothing waits for a while and hopes: a case is over when the answer, the end of the connection, or the next request's
own answer is there."""
import itertools
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from harness import Client, Connection, Upstream  # noqa: E402
from reader import Ambiguous, read_request, read_response  # noqa: E402

canaries = itertools.count(1)
BYTEWISE_MAX = 3000  # what is larger goes in pieces of PIECE
PIECE = 97
BETWEEN_PIECES = 0.0001  # most then come in a read of their own; nothing depends on it


def pieces(data, is_bytewise):
    if not is_bytewise:
        return [data]
    step = 1 if len(data) <= BYTEWISE_MAX else PIECE
    return [data[at:at + step] for at in range(0, len(data), step)]


def send(end, data, is_bytewise):
    """The other side may refuse, answer and close before all is sent."""
    try:
        for piece in pieces(data, is_bytewise):
            end.send(piece)
            if is_bytewise:
                time.sleep(BETWEEN_PIECES)
    except OSError:
        pass


class Recorded(Connection):
    def __init__(self, connected, number, recorder):
        super().__init__(connected, number)
        self.recorder = recorder

    def more(self):
        before = len(self.held)
        alive = super().more()
        self.recorder.received += len(self.held) - before
        return alive


class Recorder(Upstream):
    """An upstream. It answers with the request's method and target, so that a client sees whose answer it got; or, while
    `script` is set, with those bytes."""

    def __init__(self):
        self.begin()
        super().__init__()

    def begin(self, script=None, then=None, is_bytewise=False):
        """The next case."""
        self.seen, self.canaries, self.ambiguous, self.received = [], {}, [], 0
        self.script, self.then, self.is_bytewise = script, then, is_bytewise
        self.has_sent = threading.Event()

    def connected(self, accepted, number):
        return Recorded(accepted, number, self)

    def serve(self, wire):
        try:
            while True:
                message = read_request(wire, lambda head: self.on_head(wire, head))
                message.connection = wire.number
                if message.target.startswith("/canary/"):
                    self.canaries[message.target] = wire.number
                else:
                    self.seen.append(message)
                if self.script is None or message.target.startswith("/canary/"):
                    self.echo(wire, message)
                elif not self.play(wire):
                    return
        except Ambiguous as error:
            self.ambiguous.append(str(error))
        except (EOFError, OSError):
            pass
        finally:
            wire.close()

    @staticmethod
    def on_head(wire, message):
        if message.all("Expect"):
            wire.send("HTTP/1.1 100 Continue\r\n\r\n")

    @staticmethod
    def echo(wire, message):
        body = f"{message.method} {message.target}"
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n" + (body if message.method != "HEAD" else ""))

    def play(self, wire):
        """False: the connection is over."""
        send(wire, self.script, self.is_bytewise)
        if self.then == "reset":
            wire.reset()
        elif self.then == "close":
            wire.close()
        self.has_sent.set()
        return self.then is None


class Lane:
    """A proxy with a recorder behind it; serves one case after the other."""

    def __init__(self, port, recorder):
        self.port, self.recorder = port, recorder

    def canary(self, client, what):
        """Complaints, when the next request on this connection does not get its own answer."""
        target = f"/canary/{next(canaries)}"
        try:
            client.ask(target=target)
            response = read_response(client)
        except (EOFError, OSError, Ambiguous) as error:
            return [f"{what}: {error!r}"]
        if response.status != 200 or response.body != f"GET {target}".encode():
            return [f"{what}: got {response.first!r} {response.body[:80]!r}"]
        self.canary_connection = self.recorder.canaries.get(target)
        return []

    def run(self, case, is_bytewise, judge):
        """Every complaint about one case, and about what it left behind."""
        client = Client(self.port)
        try:
            complaints = judge(case, client, is_bytewise)
        except Ambiguous as error:
            complaints = [f"the client got something ambiguous: {error}"]
        except (EOFError, OSError) as error:
            complaints = [repr(error)]
        client.close()
        fresh = Client(self.port)
        complaints += self.canary(fresh, "the next client")
        fresh.close()
        return complaints + [f"AMBIGUOUS at the upstream: {what}" for what in self.recorder.ambiguous]

    # ---- requests

    def request(self, case, is_bytewise):
        self.recorder.begin()
        return self.run(case, is_bytewise, self.judge_request)

    def judge_request(self, case, client, is_bytewise):
        send(client, case.bytes, is_bytewise)
        if case.then == "half-close" or case.kind == "unanswered":
            client.half_close()
        complaints = []
        for seen in case.seen:
            method = seen.first.split(" ")[0]
            response = read_response(client, method)
            if response.status != 200:
                return complaints + [f"{response.first!r} {response.body[:200]!r} instead of being forwarded"]
            if method != "HEAD" and response.body != seen.first.encode():
                complaints.append(f"got the answer to {response.body!r}, not to {seen.first!r}")
        if case.kind != "forwarded":
            complaints += self.judge_end(case, client)
        elif "closed" in case.words:
            client.is_closed()
        else:
            complaints += self.canary(client, "the connection was to be kept")
        complaints += [message.first for message in self.recorder.seen if not message.first.endswith(" HTTP/1.1")]
        if len(self.recorder.seen) != len(case.seen):
            complaints.append(f"the upstream saw {[message.first for message in self.recorder.seen]}")
        for seen, message in zip(case.seen, self.recorder.seen):
            complaints.extend(seen.complaints(message, f"{message.method} {message.target}"))
        return complaints

    def judge_end(self, case, client):
        """The proxy's own last word."""
        if case.kind == "unanswered":
            client.is_closed()
            return []
        response = read_response(client, case.bytes.split(b" ")[0].decode("latin-1"))
        if response.status != case.status:
            return [f"{response.first!r} instead of {case.status}"]
        if case.kind != "answered":
            if response.all("Connection") != ["close"]:
                return [f"Connection: {response.all('Connection')} with {response.first!r}"]
            client.is_closed()
        if case.kind != "broken" and not case.seen and self.recorder.received > 0:
            return ["some of it reached the upstream"]
        return self.canary(client, "the connection was to be kept") if case.kind == "answered" else []

    def anything(self, data):
        """For all bytes from a client: nothing ambiguous goes on, and the next client gets its own answer."""
        self.recorder.begin()
        client = Client(self.port)
        send(client, data, False)
        try:
            client.half_close()
            while client.more():
                pass
        except ConnectionError:
            pass
        except OSError as error:
            return [f"it does not end: {error!r}"]
        finally:
            client.close()
        fresh = Client(self.port)
        complaints = self.canary(fresh, "the next client")
        fresh.close()
        return complaints + [f"AMBIGUOUS at the upstream: {what}" for what in self.recorder.ambiguous]

    # ---- responses

    def response(self, case, is_bytewise):
        self.recorder.begin(case.bytes, case.then, is_bytewise)
        return self.run(case, is_bytewise, self.judge_response)

    def judge_response(self, case, client, is_bytewise):
        client.send(case.asked)
        try:
            response = read_response(client, case.asked.split(b" ")[0].decode())
        except (EOFError, ConnectionResetError) as error:
            return [] if case.kind in ("cut", "broken") else [f"cut: {error}"]
        status = 502 if case.kind in ("refused", "broken") else case.status
        if case.kind == "cut" or response.status != status:
            return [f"{response.first!r} {response.body[:80]!r} instead of {case.words!r}"]
        complaints = [] if response.first.startswith("HTTP/1.1 ") else [response.first]
        for seen in case.seen:
            complaints.extend(seen.complaints(response, None))
        self.recorder.has_sent.wait(10)
        if "client closed" in case.words:
            client.is_closed()
            return complaints
        self.canary_connection = None
        complaints += self.canary(client, "the client's connection was to be kept")
        is_kept = self.canary_connection == self.recorder.seen[-1].connection
        if self.canary_connection is not None and is_kept != (case.kind == "passed" and "upstream closed" not in case.words):
            complaints.append(f"the upstream's connection was {'used again' if is_kept else 'closed'}")
        return complaints


def in_lanes(lanes, work, cases):
    """{case: complaints}; each lane takes the next case when it is free."""
    results, queue, lock = {}, iter(cases), threading.Lock()

    def serve(lane):
        while True:
            with lock:
                case = next(queue, None)
            if case is None:
                return
            results[case] = work(lane, case)

    threads = [threading.Thread(target=serve, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
