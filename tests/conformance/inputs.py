"""Bytes like those of a client, good, nearly good and bad: the cases of tests/data/ and the fuzzers' corpus, mutated, and requests
from a small grammar with a twist or two."""
import glob
import os

from cases import load

INPUT_MAX = 12 * 1024
CORPUS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fuzz", "corpus", "request")

WORDS = [b"GET ", b"POST ", b"HEAD ", b"OPTIONS * ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: h\r\n", b"Host:", b"\r\n", b"\n", b"\r",
         b"\t", b" ", b"\0", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xff", b":", b";", b",", b"Content-Length: ", b"Content-Length: 5\r\n",
         b"Content_Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: ", b"chunked", b"gzip", b"identity",
         b"Connection: close\r\n", b"Connection: upgrade\r\n", b"Upgrade: websocket\r\n", b"Expect: 100-continue\r\n", b"0\r\n\r\n",
         b"5\r\nhello\r\n", b"0", b"+", b"-", b"0x", b"http://h", b"/", b"#", b"?", b"%00", b"\r\n ", b"\r\n\t", b"_", b"\"",
         b"18446744073709551621", b"00000000000000000", b"ffffffffffffffff"]


def seeds():
    found = [case.bytes for case in load("requests") if len(case.bytes) <= 2048]
    for file in sorted(glob.glob(os.path.join(CORPUS, "*"))):
        with open(file, "rb") as opened:
            found.append(opened.read())
    return found


def chunks(draw, data):
    out = b""
    while data:
        size = draw.randint(1, len(data))
        out += draw.choice([b"%x", b"%X", b"0%x", b"%x;a", b"%x;a=b", b"%04x", b'%x;a="b"']) % size + b"\r\n" + data[:size] + b"\r\n"
        data = data[size:]
    trailer = draw.choice([b"", b"", b"X-A: b\r\n", b"Host: h\r\n", b"A:\r\nB: c \r\n"])
    return out + draw.choice([b"0", b"0", b"000", b"0;a"]) + b"\r\n" + trailer + b"\r\n"


def generate(draw):
    """A request that is good, or nearly."""
    body = draw.choice([b"", b"hello", b"0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", bytes(range(256))])
    version = draw.choice([b"1.1", b"1.1", b"1.1", b"1.0", b"1.2"])
    fields = [draw.choice([b"Host: h", b"Host:h", b"HOST: h:80", b"Host: [::1]"])]
    framing = draw.choice(["none", "length", "length", "chunked", "chunked", "both", "twice", "list", "zeros"])
    if framing in ("length", "both", "twice"):
        fields.append(draw.choice([b"Content-Length: %d", b"content-length:%d", b"Content-Length:  %d  "]) % len(body))
    if framing == "twice":
        fields.append(b"Content-Length: %d" % (len(body) + draw.randint(0, 1)))
    if framing == "zeros":
        fields.append(b"Content-Length: 00%d" % len(body))
    if framing == "list":
        fields.append(b"Content-Length: %d,%d" % (len(body), len(body)))
    if framing in ("chunked", "both"):
        fields.append(draw.choice([b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED", b"Transfer-Encoding:  chunked ",
                                   b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, chunked"]))
        body = chunks(draw, body)
    for _ in range(draw.randint(0, 3)):
        fields.append(draw.choice([b"X-A: b", b"X-A:\t b \t", b"X-A:", b"Accept: */*, text/html", b"Connection: keep-alive", b"Connection: close",
                                   b"Expect: 100-continue", b"X_A: \xe9", b"Upgrade: websocket", b"Cookie: a=b;  c", b"TE: trailers"]))
    draw.shuffle(fields)
    line = draw.choice([b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"X", b"options"]) + b" " + \
        draw.choice([b"/", b"/a/b?c=d", b"/a%20b", b"http://h/a", b"*", b"/a;b?c/d", b"//a", b"/[]{}|^`"]) + b" HTTP/" + version
    behind = draw.choice([b"", b"", b"\r\n", b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n", b"x"])
    return line + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body + behind


def mutate(draw, data, corpus):
    data = bytearray(data)
    for _ in range(draw.choice([0, 1, 1, 1, 2, 3])):
        at = draw.randint(0, len(data))
        what = draw.randint(0, 7)
        if what == 0:
            data[at:at] = draw.choice(WORDS)
        elif what == 1:
            data[at:at + draw.randint(1, 4)] = draw.choice(WORDS)
        elif what == 2:
            del data[at:at + draw.choice([1, 1, 2, 8])]
        elif what == 3 and at < len(data):
            data[at] = draw.randrange(256)
        elif what == 4 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif what == 5:  # a line twice, or elsewhere
            lines = bytes(data).split(b"\r\n")
            lines.insert(draw.randint(0, len(lines)), draw.choice(lines))
            data = bytearray(b"\r\n".join(lines))
        elif what == 6:
            other = draw.choice(corpus)
            data[at:] = other[draw.randint(0, len(other)):]
        else:
            data[at:at] = bytes(data[at:at + draw.randint(1, 16)])
    return bytes(data[:INPUT_MAX])
