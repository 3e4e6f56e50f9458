"""A reader that forgives nothing: whatever two readers could frame differently is an error. It stands behind the gateway for
every case, and before it for what the gateway says to clients."""
import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([!-~]+) HTTP/1\.[01]")
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)")
FIELD = re.compile(rb"(" + TOKEN + rb"): ?((?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)")
CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")
NOT_IN_TRAILERS = {"content-length", "transfer-encoding", "host", "authorization", "connection", "content-type", "cookie",
                   "te", "trailer", "expect", "set-cookie", "proxy-authorization", "x-forwarded-for", "via", "upgrade"}


class Ambiguous(Exception):
    """Two readers could understand this differently."""


class Message:
    def __init__(self, first, fields):
        self.first, self.fields = first, fields
        self.body, self.trailers, self.framing = b"", [], "unframed"
        self.interim = []

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]


def read_line(wire):
    line = wire.read_until(b"\n")
    if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
        raise Ambiguous(f"not a line: {line[-80:]!r}")
    return line[:-2]


def read_fields(wire):
    fields = []
    while line := read_line(wire):
        found = FIELD.fullmatch(line)
        if not found:
            raise Ambiguous(f"not a field: {line[:80]!r}")
        name, value = (part.decode("latin-1") for part in found.groups())
        if "_" in name and name.lower().replace("_", "-") in ("content-length", "transfer-encoding"):
            raise Ambiguous(f"{name} looks like framing")
        fields.append((name, value))
    return fields


def read_chunked(wire, message):
    body = []
    while True:
        line = read_line(wire)
        if not CHUNK_SIZE.fullmatch(line):
            raise Ambiguous(f"not a chunk size: {line[:80]!r}")
        size = int(line, 16)
        if size == 0:
            break
        body.append(wire.read(size))
        if wire.read(2) != b"\r\n":
            raise Ambiguous("no CRLF after a chunk")
    message.body = b"".join(body)
    message.trailers = read_fields(wire)
    for name, _ in message.trailers:
        if name.lower() in NOT_IN_TRAILERS:
            raise Ambiguous(f"{name} in a trailer")


def judge_framing(message):
    """None, "chunked", or the length."""
    lengths, codings = message.all("Content-Length"), message.all("Transfer-Encoding")
    if len(lengths) + len(codings) > 1:
        raise Ambiguous(f"framed by Content-Length {lengths} and Transfer-Encoding {codings}")
    if codings:
        if codings[0] != "chunked":
            raise Ambiguous(f"Transfer-Encoding {codings[0]!r}")
        return "chunked"
    if lengths:
        if not re.fullmatch("0|[1-9][0-9]{0,18}", lengths[0]):
            raise Ambiguous(f"Content-Length {lengths[0]!r}")
        return int(lengths[0])
    return None


def read_request(wire, on_head=lambda message: None):
    """The next request; on_head is called before its body is read."""
    line = read_line(wire)
    found = REQUEST_LINE.fullmatch(line)
    if not found:
        raise Ambiguous(f"not a request line: {line[:80]!r}")
    message = Message(line.decode("latin-1"), read_fields(wire))
    message.method, message.target = (part.decode("latin-1") for part in found.groups())
    hosts = len(message.all("Host"))
    if "#" in message.target or hosts > 1 or hosts == 0 and line.endswith(b"1"):
        raise Ambiguous(f"{message.first}, Host {message.all('Host')}")
    framing = judge_framing(message)
    on_head(message)
    if framing == "chunked":
        message.framing = "chunked"
        read_chunked(wire, message)
    elif framing is not None:
        message.framing = "length"
        message.body = wire.read(framing)
    return message


def read_response(wire, method="GET"):
    """The next response, with the interim ones before it."""
    interim = []
    while True:
        line = read_line(wire)
        found = STATUS_LINE.fullmatch(line)
        if not found:
            raise Ambiguous(f"not a status line: {line[:80]!r}")
        message = Message(line.decode("latin-1"), read_fields(wire))
        message.status = int(found.group(1))
        framing = judge_framing(message)
        if message.status // 100 != 1 or message.status == 101:
            break
        if framing is not None:
            raise Ambiguous(f"{message.first} with framing")
        interim.append(message)
    message.interim = interim
    if method == "HEAD" or message.status in (101, 204, 304):
        if framing is not None and message.status in (101, 204):
            raise Ambiguous(f"{message.first} with framing")
    elif framing == "chunked":
        message.framing = "chunked"
        read_chunked(wire, message)
    elif framing is not None:
        message.framing = "length"
        message.body = wire.read(framing)
    else:
        message.body = wire.read_all()
    return message
