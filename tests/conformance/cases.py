"""The cases of tests/data/, as tests/data/README.md describes their form."""
import glob
import os
import re

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
PEERS = ("haproxy", "nginx")
ESCAPE = re.compile(r"\\(r|n|t|0|\\|x[0-9a-fA-F]{2}|\{(.+?)\*(\d+)\})")
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
    """What one side has to see of a message."""

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
            if message.all(name) != [value]:
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
    def __init__(self, file, subject, name, why, lines, asked, then, verdict, seen, block):
        self.file, self.subject, self.name, self.why = file, subject, name, why
        self.bytes = wire(lines)
        self.asked = wire(asked) if asked else b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
        self.then = then
        self.block = block
        self.seen = seen
        self.words = verdict
        words = re.split(r"[ ,]+", verdict)
        self.kind, self.flags = words[0], words[1:]
        numbers = [int(word) for word in words if word.isdigit()]
        self.status = numbers[0] if numbers else None

    def __repr__(self):
        return f"{self.subject}/{self.name}"


def expand(text, value):
    return text.replace("{}", value)


class Block:
    """One `==` block: a case, or a family of them."""

    def __init__(self, file, name):
        self.file, self.name = file, name
        self.why, self.lines, self.asked, self.verdict, self.seen, self.variants = [], [], [], [], [], []
        self.notes = {}  # why a peer's verdict differs
        self.then = None

    def read(self, line):
        mark, _, rest = line.partition(" ")
        note = re.match(r"(\w+): (.*)", line)
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
            name, _, value = rest.partition(" = ") if " = " in rest else (rest[:-2], "", "") if rest.endswith(" =") else (rest, "", rest)
            self.variants.append((name, value))
        elif note and note.group(1) in PEERS:
            self.notes[note.group(1)] = note.group(2)
        else:
            self.verdict.append(line)

    def seen_of(self, value, is_response):
        seen = []
        for line in self.seen:
            line = expand(line, value)
            if is_response:
                if not seen:
                    seen.append(Seen(None))
                seen[-1].add(line)
            elif re.match(r"[!-~]+ /|OPTIONS \*", line) and ":" not in line.split(" ")[0] and line.split(" ")[0] not in ("body", "trailer"):
                seen.append(Seen(line))
            else:
                seen[-1].add(line)
        return seen

    def cases(self):
        subject = os.path.splitext(os.path.basename(self.file))[0]
        is_response = os.path.basename(os.path.dirname(self.file)) == "responses"
        assert len(self.verdict) == 1, f"{self.file}: {self.name}: one verdict is wanted, not {self.verdict}"
        assert self.why, f"{self.file}: {self.name}: why?"
        for name, value in self.variants or [(None, "")]:
            yield Case(self.file, subject, self.name if name is None else f"{self.name}: {name}", " ".join(self.why),
                       [expand(line, value) for line in self.lines], self.asked, self.then,
                       expand(self.verdict[0], value), self.seen_of(value, is_response), self)


def load(kind):
    """Every case of tests/data/requests or tests/data/responses."""
    found = []
    for file in sorted(glob.glob(os.path.join(DATA, kind, "*.txt"))):
        block = None
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                line = line.rstrip("\n")
                if line.startswith("== "):
                    if block:
                        found.extend(block.cases())
                    block = Block(file, line[3:])
                elif line and not line.startswith("#"):
                    block.read(line)
        found.extend(block.cases())
    names = [(case.subject, case.name) for case in found]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"two cases of one name: {twice}"
    sent = {}
    for case in found:
        same = sent.setdefault((case.bytes, case.asked, case.then), case)
        assert same is case, f"{case} sends what {same} sends"
    return found
