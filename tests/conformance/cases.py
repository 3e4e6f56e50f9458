"""The cases of tests/data/, as tests/data/README.md describes their form."""
import glob
import os
import re

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
PEERS = ("haproxy", "nginx")
ESCAPE = re.compile(r"\\(r|n|t|0|\\|x[0-9a-fA-F]{2}|\{(.+?)\*(\d+)\})")
OWN_NAME = re.compile(r"\bgateway-[0-9a-f]{16}\b")
PLAIN = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def decode(text):
    """`\\r`, `\\n`, `\\t`, `\\0`, `\\xHH`, `\\\\`, and `\\{ab*3}` for ababab."""
    out, at = [], 0
    for found in ESCAPE.finditer(text):
        out.append(text[at:found.start()].encode())
        word, repeated, times = found.groups()
        if repeated is not None:
            out.append(decode(repeated) * int(times))
        else:
            out.append(PLAIN[word] if word in PLAIN else bytes([int(word[1:], 16)]))
        at = found.end()
    return b"".join(out) + text[at:].encode()


def wire(lines):
    """Lines as they are sent: each with its CRLF, but for one that ends with a single backslash."""
    out = b""
    for line in lines:
        if re.search(r"(?<!\\)(\\\\)*\\$", line):
            out += decode(line[:-1])
        else:
            out += decode(line) + b"\r\n"
    return out


def split_field(line):
    name, _, value = line.partition(":")
    return name, decode(value.strip(" ")).decode("latin-1")


class Seen:
    """The parts of a message that one side must see."""

    def __init__(self, first):
        self.first = first and decode(first).decode("latin-1")
        self.fields, self.absent, self.unequal, self.trailers = [], [], [], []
        self.body = b""
        self.framing = None
        self.interim = []

    def add(self, line):
        word, _, rest = line.partition(" ")
        if word == "body":
            self.body = decode(rest)
        elif word == "no":
            self.absent.append(rest.lower())
        elif word == "interim":
            self.interim = [int(status) for status in rest.split()]
        elif word == "not":
            self.unequal.append(split_field(rest))
        elif word in ("chunked", "length", "unframed") and not rest:
            self.framing = word
        elif word == "trailer":
            self.trailers.append(split_field(rest))
        else:
            self.fields.append(split_field(line))

    def complaints(self, message, line):
        if self.first is not None and line != self.first:
            yield f"{line!r} instead of {self.first!r}"
        if message.body != self.body:
            yield f"the body is {message.body[:80]!r} instead of {self.body[:80]!r}"
        if self.framing is not None and message.framing != self.framing:
            yield f"framed by {message.framing} instead of {self.framing}"
        if [one.status for one in message.interim] != self.interim:
            yield f"interim responses {[one.first for one in message.interim]}"
        for name, value in self.fields:
            if [OWN_NAME.sub("gateway", seen) for seen in message.all(name)] != [value]:
                yield f"{name} is {message.all(name)} instead of {value!r}"
        for name in self.absent:
            if message.all(name):
                yield f"{name} is there: {message.all(name)}"
        for name, value in self.unequal:
            if message.all(name) in ([], [value]):
                yield f"{name} is {message.all(name)}"
        if message.trailers != self.trailers:
            yield f"trailers {message.trailers} instead of {self.trailers}"


class Case:
    def __init__(self, block, name, value):
        """`value` takes the place of every {} in the block."""
        def expanded(lines):
            return [line.replace("{}", value) for line in lines]

        self.block, self.is_response, self.subject = block, block.is_response, block.subject
        self.name = f"{block.name}: {name}" if name else block.name
        self.bytes = wire(expanded(block.lines))
        self.asked = wire(block.asked) if block.asked else b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
        self.then = block.then
        self.seen = read_seen(expanded(block.seen), block.is_response)
        self.words, = expanded(block.verdict)
        self.kind, *rest = re.split(r"[ ,]+", self.words)
        self.status = next((int(word) for word in rest if word.isdigit()), None)

    def __repr__(self):
        return f"{self.subject}/{self.name}"


def read_seen(lines, is_response):
    seen = [Seen(None)] if is_response and lines else []
    for line in lines:
        first, _, second = line.partition(" ")
        if not is_response and second.startswith("/") and first not in ("body", "no") and not first.endswith(":"):
            seen.append(Seen(line))
        else:
            seen[-1].add(line)
    return seen


def read_variant(text):
    """The name of a case, and what makes it one."""
    name, sign, value = text.partition(" =")
    return (name, value[1:]) if sign and value[:1] in ("", " ") else (text, text)


class Block:
    """One `==` block: a case, or a family of them."""

    def __init__(self, file, name):
        self.file, self.name = file, name
        self.subject = os.path.splitext(os.path.basename(file))[0]
        self.is_response = os.path.basename(os.path.dirname(file)) == "responses"
        self.why, self.lines, self.asked, self.verdict, self.seen, self.variants = [], [], [], [], [], []
        self.notes = {}  # why a peer's verdict differs
        self.then = None

    def read(self, line):
        mark, _, rest = line.partition(" ")
        if mark == ">":
            self.lines.append(rest)
        elif mark == "?":
            self.asked.append(rest)
        elif mark == "<":
            self.seen.append(rest.lstrip(" "))
        elif mark == "why:":
            self.why.append(rest)
        elif mark == "then":
            self.then = rest
        elif mark == "with":
            self.variants.append(read_variant(rest))
        elif mark[:-1] in PEERS:
            self.notes[mark[:-1]] = rest
        else:
            self.verdict.append(line)

    def cases(self):
        assert len(self.verdict) == 1, f"{self.file}: {self.name}: one verdict is wanted, not {self.verdict}"
        assert self.why, f"{self.file}: {self.name}: why?"
        return [Case(self, name, value) for name, value in self.variants or [(None, "")]]


def read_blocks(file):
    blocks = []
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith("== "):
                blocks.append(Block(file, line[3:]))
            elif line and not line.startswith("#"):
                blocks[-1].read(line)
    return blocks


def load(kind):
    """Every case of tests/data/requests or tests/data/responses."""
    found = []
    for file in sorted(glob.glob(os.path.join(DATA, kind, "*.txt"))):
        for block in read_blocks(file):
            found.extend(block.cases())
    names, sent = set(), {}
    for case in found:
        assert repr(case) not in names, f"two cases are called {case}"
        names.add(repr(case))
        same = sent.setdefault((case.bytes, case.asked, case.then), case)
        assert same is case, f"{case} sends what {same} sends"
    return found
