"""A DNS server that a test leads answer by answer, for what an honest server never does: tests/hospital/dns.c is that one.

    server.answer = lambda query: [query.reply("127.0.7.1")]

What the function returns is sent as it is, so an answer may be anything; an empty list is silence. It is asked again for
the same question over TCP when it truncated. A question for A and AAAA comes as two queries; `asked` keeps all of them."""
import contextlib
import ipaddress
import socket
import socketserver
import struct
import threading
import time

from harness import free_port, until

A, PTR, AAAA = 1, 12, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


class Query:
    def __init__(self, message, protocol):
        self.message, self.protocol, self.time = message, protocol, time.monotonic()
        self.id = struct.unpack_from("!H", message)[0]
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode())
            at += 1 + message[at]
        self.name = ".".join(labels)
        self.type = struct.unpack_from("!H", message, at + 1)[0]
        self.question = message[12:at + 5]

    def record(self, value, name=b"\xc0\x0c"):
        """An address of the asked family, or a name for PTR; CNAME records are written by hand."""
        if self.type == PTR:
            data = encode_name(value)
        else:
            data = ipaddress.ip_address(value).packed
        return name + struct.pack("!HHIH", self.type, 1, 600, len(data)) + data

    def reply(self, *values, code=NOERROR, truncated=False, id=None, question=None, records=None):
        """An honest answer, but for what is said otherwise. Addresses of the other family are left out."""
        if records is None:
            wanted = {A: 4, AAAA: 6}.get(self.type)
            records = [self.record(value) for value in values
                       if wanted is None or ipaddress.ip_address(value).version == wanted]
        flags = 0x8180 | (0x0200 if truncated else 0) | code
        return struct.pack("!HHHHHH", self.id if id is None else id, flags, 1, len(records), 0, 0) + \
            (question or self.question) + b"".join(records)


class NameServer:
    def __init__(self, answer=None):
        self.answer = answer or (lambda query: [query.reply(code=NXDOMAIN)])
        self.asked = []
        self.port = free_port("127.0.0.1")
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.datagrams.bind(("127.0.0.1", self.port))
        server = self

        class Stream(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    while len(length := self.rfile.read(2)) == 2:
                        query = Query(self.rfile.read(struct.unpack("!H", length)[0]), "tcp")
                        for message in server.respond(query):
                            self.wfile.write(struct.pack("!H", len(message)) + message)

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self.listener = Listener(("127.0.0.1", self.port), Stream)
        self.threads = [threading.Thread(target=target, daemon=True)
                        for target in (self.serve_datagrams, self.listener.serve_forever)]
        for thread in self.threads:
            thread.start()

    def respond(self, query):
        self.asked.append(query)
        return self.answer(query)

    def serve_datagrams(self):
        while True:
            message, peer = self.datagrams.recvfrom(65536)
            if not message:
                return
            query = Query(message, "udp")
            query.peer = peer
            for answer in self.respond(query):
                self.datagrams.sendto(answer, peer)

    def send_later(self, seconds, message, peer):
        """Over UDP; nobody hears of it when the server has stopped by then."""
        def send():
            with contextlib.suppress(OSError):
                self.datagrams.sendto(message, peer)

        threading.Timer(seconds, send).start()

    def refuse_streams(self):
        """From now on there is nobody on TCP."""
        self.listener.shutdown()
        self.listener.server_close()

    def questions(self, name=None, type=A, since=0):
        """When a name was asked for, by the first query of each question: A stands for AAAA, UDP for TCP."""
        return [query.time for query in list(self.asked)
                if query.type == type and query.protocol == "udp" and query.time >= since
                and (query.name == name or name is None)]

    def wait_for_more(self, count, name=None, type=A):
        before = len(self.questions(name, type))
        until(lambda: len(self.questions(name, type)) >= before + count, f"{count} more questions", seconds=60)

    def stop(self):
        self.listener.shutdown()
        self.listener.server_close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", self.port))
        self.threads[0].join(10)
        self.datagrams.close()
