"""HTTP as both ends of the driver speak it, and bodies that tell whose they are."""
from loop import GUARD, Ended


class Bad(Exception):
    """A message that nobody may send."""


def body_of(number, length, mark=""):
    """So many bytes that only this request's message may have."""
    unit = f"[{mark}{number}]".encode()
    return (unit * (length // len(unit) + 1))[:length]


class Message:
    def __init__(self, head):
        self.lines = head.decode("latin-1").split("\r\n")
        self.first, self.fields = self.lines[0], {}
        for line in self.lines[1:-2]:
            name, colon, value = line.partition(":")
            name = name.lower()
            if not colon or name in self.fields and name in ("content-length", "transfer-encoding", "x-id", "x-version"):
                raise Bad(f"field {line!r} in {head!r}")
            self.fields[name] = value.strip()
        self.body, self.is_whole = b"", False

    def get(self, name, default=None):
        return self.fields.get(name, default)


class Request(Message):
    def __init__(self, head):
        super().__init__(head)
        self.method, self.target, self.version = self.first.split(" ")


class Response(Message):
    def __init__(self, head):
        super().__init__(head)
        if not self.first.startswith("HTTP/1.1 ") or not self.first[9:12].isdigit():
            raise Bad(f"response {self.first!r}")
        self.status = int(self.first[9:12])


async def read_chunked(wire, message, seconds):
    while size := int((await wire.until(b"\r\n", seconds)).split(b";")[0], 16):
        message.body += await wire.need(size, seconds)
        if await wire.need(2, seconds) != b"\r\n":
            raise Bad("a chunk does not end")
    while await wire.until(b"\r\n", seconds) != b"\r\n":
        pass


async def read_counted(wire, message, length, seconds):
    while len(wire.held) < length:
        if not await wire.more(seconds):
            raise Ended("closed")
    message.body = wire.take(length)


async def read_body(wire, message, has_none=False, to_end=False, seconds=GUARD):
    """message.body also has the part of a body that breaks off."""
    try:
        if has_none:
            pass
        elif message.get("transfer-encoding") == "chunked":
            if "content-length" in message.fields:
                raise Bad("two framings")
            await read_chunked(wire, message, seconds)
        elif "content-length" in message.fields:
            await read_counted(wire, message, int(message.get("content-length")), seconds)
        elif to_end:
            while await wire.more(seconds):
                pass
            message.body = wire.take(len(wire.held))
        message.is_whole = True
    except Ended:
        message.body += wire.take(len(wire.held))
        raise


def chunked(body, sizes):
    """In pieces of these sizes, again and again."""
    parts, at, turn = [], 0, 0
    while at < len(body):
        piece = body[at:at + sizes[turn % len(sizes)]]
        parts.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        at, turn = at + len(piece), turn + 1
    return b"".join(parts) + b"0\r\n\r\n"
