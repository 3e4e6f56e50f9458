"""The clients: each kind is a task that goes on until the world says that it is enough. A request is noted before it is sent, and
what becomes of it is noted with it; judge.py reads these notes."""
from loop import Ended, TooLate, connect
from messages import Bad, Response, body_of, chunked, read_body
from settings import PREFIXES

TIMEOUT_S = 4
BUSY, SENT, ANSWERED, CUT, UNANSWERED, LEFT = "busy", "sent", "answered", "cut", "unanswered", "left"


class Note:
    """One request."""
    __slots__ = ("number", "method", "prefix", "do", "state", "status", "replica", "floor", "why", "is_honest")

    def __init__(self, world, method, prefix, do):
        self.number, self.method, self.prefix, self.do = world.next_number(), method, prefix, do
        self.state, self.status, self.replica, self.why = BUSY, None, None, None
        self.floor, self.is_honest = world.judge.floor, True
        world.judge.notes.append(self)

    def __repr__(self):
        return (f"request {self.number} ({self.method} {self.prefix}, do {self.do!r}): {self.state}, status {self.status}"
                + (f", {self.why}" if self.why else ""))


class Conversation:
    """One client connection."""

    def __init__(self, world):
        self.world, self.random = world, world.random
        self.wire, self.notes, self.version = None, [], 0

    async def open(self, receive_buffer=None):
        """From an address of its own: the gateway tells clients apart, and bears with each only so much."""
        source = f"127.40.{self.random.randint(0, 255)}.{self.random.randint(1, 254)}"
        self.wire = await connect(self.world.loop, ("127.0.0.1", self.world.listen_port), receive_buffer, source)

    def note(self, do="ok 10", method="GET", prefix=None):
        self.notes.append(Note(self.world, method, prefix or self.random.choice(PREFIXES), do))
        return self.notes[-1]

    def head(self, note, *more, version="1.1"):
        lines = [f"{note.method} {note.prefix}/{note.number} HTTP/{version}", "Host: chaos.example", f"X-Id: {note.number}",
                 f"X-Do: {note.do}", *more]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def answer(self, note, seconds=TIMEOUT_S):
        """The response to this request. None when there is none; then the connection is of no more use."""
        response = None
        try:
            while response is None or response.status // 100 == 1 and response.status != 101:
                response = Response(await self.wire.until(b"\r\n\r\n", seconds))
            if response.status == 101:
                self.take(note, response, ANSWERED)
                return response
            await read_body(self.wire, response, note.method == "HEAD" or response.status in (204, 304), True, seconds)
            self.take(note, response, ANSWERED)
            return None if self.is_last(note, response) else response
        except Bad as error:
            self.world.judge.complain(f"{error}, in the answer to {note}")
        except Ended as error:
            note.why = str(error)
            if response is None or response.status // 100 == 1:
                note.state = UNANSWERED
            else:
                self.take(note, response, CUT)
        except TooLate:
            note.state = LEFT
        return None

    def is_last(self, note, response):
        is_framed = note.method == "HEAD" or {"content-length", "transfer-encoding"} & response.fields.keys()
        return response.get("connection") == "close" or not is_framed and response.status not in (204, 304)

    def take(self, note, response, state):
        note.state, note.status, note.replica = state, response.status, response.get("x-replica")
        self.version = self.world.judge.explain(note, response, self.version)

    def lose(self, *notes):
        """The client goes before it has the answers to these."""
        for note in notes:
            note.state = LEFT

    def close(self, is_reset=False):
        if self.wire:
            self.wire.close(is_reset)


def draw_do(random):
    """How the replica is to answer."""
    size = random.choice([0, 1, 10, 100, 2000, 2000, 70000, 200000])
    return random.choices(
        [f"ok {size}", f"chunked {size}", f"eof {size}", f"status 500 {size}", f"status 503 {size}", f"early {size}",
         f"interim {size}", "reset", "close", f"stall {random.randint(1, 300)} {size}", "garbage",
         f"cut {size + 10} {size}", f"hang {size + 10} {size}", f"drip {size}", f"extra {size}"],
        [30, 10, 4, 4, 2, 3, 3, 2, 2, 4, 2, 2, 1, 3, 2])[0]


async def ask(conversation, note, seconds=TIMEOUT_S):
    await conversation.wire.send(conversation.head(note))
    note.state = SENT
    return await conversation.answer(note, seconds)


async def plain(world, conversation):
    random = world.random
    for _ in range(random.randint(1, 30)):
        method = random.choice(["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
        note = conversation.note(draw_do(random), method)
        more = ["Content-Length: 0"] if method in ("POST", "PUT") else []
        is_old, is_last = random.random() < 0.05, random.random() < 0.05
        more += ["Connection: close"] if is_last else ["Connection: keep-alive"] if is_old else []
        await conversation.wire.send(conversation.head(note, *more, version="1.0" if is_old else "1.1"))
        note.state = SENT
        if await conversation.answer(note) is None or is_last:
            return
        if random.random() < 0.1:
            await world.loop.sleep(random.uniform(0, 0.3))


async def pipeline(world, conversation):
    random = world.random
    for _ in range(random.randint(1, 5)):
        notes = [conversation.note(draw_do(random), random.choice(["GET", "GET", "POST"])) for _ in range(random.randint(2, 8))]
        heads = [conversation.head(note, *(["Content-Length: 5"] if note.method == "POST" else [])) +
                 (body_of(note.number, 5, "u") if note.method == "POST" else b"") for note in notes]
        await conversation.wire.send(b"".join(heads))
        for note in notes:
            note.state = SENT
        for place, note in enumerate(notes):
            if await conversation.answer(note, TIMEOUT_S * 2) is None:
                for after in notes[place + 1:]:
                    after.state = LEFT if note.state == LEFT else UNANSWERED
                return


async def upload(world, conversation):
    random = world.random
    for _ in range(random.randint(1, 6)):
        note = conversation.note(draw_do(random), random.choice(["POST", "PUT", "PATCH"]))
        body = body_of(note.number, random.choice([1, 100, 5000, 66000, 300000]), "u")
        is_chunked = random.random() < 0.5
        data = chunked(body, [random.randint(1, 20000), 7]) if is_chunked else body
        more = ["Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"]
        if random.random() < 0.2:
            more.append("Expect: 100-continue")
        pieces = random.choice([1, 1, 3, 10])
        try:
            await conversation.wire.send(conversation.head(note, *more))
            for at in range(0, len(data), len(data) // pieces + 1):
                await conversation.wire.send(data[at:at + len(data) // pieces + 1], TIMEOUT_S)
                await world.loop.sleep(random.uniform(0, 0.03) if pieces > 1 else 0)
        except Ended:
            pass  # there may be an answer all the same
        except TooLate:
            note.state = LEFT
            return
        note.state = SENT
        if await conversation.answer(note) is None:
            return


async def tunnel(world, conversation):
    random = world.random
    note = conversation.note("switch")
    await conversation.wire.send(conversation.head(note, "Connection: upgrade", "Upgrade: echo"))
    note.state = SENT
    response = await conversation.answer(note)
    if response is None or response.status != 101:
        return
    for _ in range(random.randint(0, 20)):
        words = body_of(note.number, random.choice([1, 100, 5000]), "t")
        await conversation.wire.send(words)
        if await conversation.wire.need(len(words), TIMEOUT_S) != words:
            world.judge.complain(f"not what was sent came through the tunnel of {note}")
        await world.loop.sleep(random.uniform(0, 0.05))
    if random.random() < 0.5:
        conversation.wire.half_close()
        while await conversation.wire.more(TIMEOUT_S):
            pass


async def read_slowly(world, conversation):
    note = conversation.note(world.random.choice(["ok 700000", "chunked 400000"]))
    await conversation.wire.send(conversation.head(note))
    note.state = LEFT  # in most cases; if not, answer() says so
    for _ in range(world.random.randint(1, 20)):
        await world.loop.sleep(0.05)
        if len(conversation.wire.held) < 20000:
            await conversation.wire.more(TIMEOUT_S, 4096)
    if world.random.random() < 0.5:
        note.state = SENT
        await conversation.answer(note)


async def abort(world, conversation):
    random = world.random
    slow = f"stall {random.randint(100, 1000)} 10" if random.random() < 0.5 else None
    notes = [conversation.note(slow or draw_do(random), random.choice(["GET", "POST"])) for _ in range(random.randint(1, 4))]
    data = b"".join(conversation.head(note, *(["Content-Length: 1000"] if note.method == "POST" else [])) +
                    (body_of(note.number, 1000, "u") if note.method == "POST" else b"") for note in notes)
    conversation.lose(*notes)
    await conversation.wire.send(data[:random.randint(1, len(data))] if random.random() < 0.6 else data)
    await world.loop.sleep(random.choice([0, 0, 0.001, 0.01, 0.1, 0.5]))
    conversation.close(random.random() < 0.5)


async def nonsense(world, conversation):
    note = conversation.note()
    note.is_honest = False
    await conversation.wire.send(world.random.choice([
        conversation.head(note, "Bad Field : x"), conversation.head(note, "Content-Length: 1", "Transfer-Encoding: chunked"),
        f"GET {note.prefix}/{note.number} HTTP/1.1\nHost: x\n\n".encode(), world.random.randbytes(200) + b"\r\n\r\n",
        f"POST {note.prefix}/{note.number} HTTP/1.1\r\nHost: x\r\nX-Id: {note.number}\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".encode(),
        f"GET {note.prefix}/{note.number}/%2e%2e/%2f HTTP/1.1\r\nHost: x\r\n\r\n".encode()]))
    note.state = SENT
    await conversation.answer(note)


async def say_nothing(world, conversation):
    if world.random.random() < 0.5:
        await conversation.wire.send(b"GET /half HTTP/1.1\r\nHost:")
    await world.loop.sleep(world.random.uniform(0, 2))


KINDS = {plain: 40, pipeline: 12, upload: 16, tunnel: 6, read_slowly: 8, abort: 20, nonsense: 4, say_nothing: 3}


async def client(world):
    """One client after the other."""
    while not world.is_over:
        kind = world.random.choices(list(KINDS), list(KINDS.values()))[0]
        conversation = Conversation(world)
        try:
            await conversation.open(4096 if kind is read_slowly else None)
            await kind(world, conversation)
        except (Ended, TooLate) as error:
            for note in conversation.notes:
                if note.state in (BUSY, SENT):
                    note.state, note.why = LEFT if isinstance(error, TooLate) or note.state == BUSY else UNANSWERED, str(error)
        conversation.close()
        await world.loop.sleep(0.001)
