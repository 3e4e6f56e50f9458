"""The upstreams and their DNS, a process of their own. A request says itself how it is to be answered (X-Do), but replicas have
moods, too, and the sets of their addresses change ten times a second.

    replicas.py SEED PORT DNS_PORT COUNTS      commands on stdin: calm, wild; every line on stdout but "ok" is a violation

COUNTS is a file with a byte for each request: how often it was begun here."""
import mmap
import os
import random
import socket
import struct
import sys
import time

from loop import Ended, Loop, TooLate, Wire
from messages import Bad, Request, body_of, chunked, read_body
from settings import ADDRESSES, ANCHORS, GROUPS

A, PTR = 1, 12
GARBAGE = (b"garbage\r\n\r\n", bytes(100), b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
           b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab", b"HTTP/1.1 99 Low\r\n\r\n")
IDLE_S = 20


class World:
    def __init__(self, seed, port, dns_port, counts):
        self.loop, self.random = Loop(), random.Random(seed)
        self.port, self.dns_port = port, dns_port
        with open(counts, "r+b") as file:
            self.counts = mmap.mmap(file.fileno(), 0)
        self.is_calm = True
        self.moods = {address: "up" for group in GROUPS for address in ADDRESSES[group]}
        self.sets = {group: ADDRESSES[group] for group in GROUPS}


def violation(words):
    print(words, flush=True)


# ---- answering ------------------------------------------------------------------------------------------------------------


def fields(world, address, request, *more):
    return "".join(f"{name}: {value}\r\n" for name, value in (
        ("X-Id", request.get("x-id")), ("X-Replica", address), ("X-Saw", request.get("x-version")), *more))


def head(world, address, request, *more, status=200):
    return f"HTTP/1.1 {status} Status\r\n{fields(world, address, request, *more)}\r\n".encode()


async def answer(world, wire, address, request):
    """True: the connection is good for another request."""
    words = request.get("x-do", "ok 10").split()
    number = int(request.get("x-id"))
    if world.moods[address] == "failing" and words[0] != "switch":
        words = ["status", "500", "20"]
    what, values = words[0], [int(word) for word in words[1:]]
    is_head = request.method == "HEAD"
    if what == "early":
        body = b"" if is_head else body_of(number, values[0])
        await wire.send(head(world, address, request, ("Content-Length", values[0]), ("Connection", "close"), status=413) + body)
        return False
    if what == "interim" and request.version == "HTTP/1.1":
        await wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    if request.get("expect"):
        await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    if what == "reset" or what == "close":
        wire.close(is_reset=what == "reset")
        return False
    await take_body(wire, request, number)
    if what == "switch":
        return await switch(world, wire, address, request)
    if what == "stall":
        await world.loop.sleep(values[0] / 1000)
        values = values[1:]
    if what == "garbage":
        await wire.send(world.random.choice(GARBAGE))
        return False
    return await plain_answer(world, wire, address, request, what, values, number, is_head)


async def plain_answer(world, wire, address, request, what, values, number, is_head):
    status, values = (values[0], values[1:]) if what == "status" else (200, values)
    length = values[0]
    body = b"" if is_head else body_of(number, length)
    if what == "chunked":
        await wire.send(head(world, address, request, ("Transfer-Encoding", "chunked")) +
                        (b"" if is_head else chunked(body, [1, 100, 5000, 40000])))
        return True
    if what == "eof":
        await wire.send(head(world, address, request, ("Connection", "close")) + body)
        return False
    begin = head(world, address, request, ("Content-Length", length), status=status)
    if what in ("cut", "hang") and not is_head:
        await wire.send(begin + body[:values[1]])
        if what == "hang":
            while await wire.more(IDLE_S):
                wire.held.clear()
        wire.close(is_reset=number % 2 == 0)
        return False
    if what == "drip" and not is_head:
        await wire.send(begin)
        for at in range(0, length, length // 10 + 1):
            await wire.send(body[at:at + length // 10 + 1])
            await world.loop.sleep(0.01)
        return True
    await wire.send(begin + body + (b"extra" if what == "extra" else b""))
    return what != "extra"


async def take_body(wire, request, number):
    await read_body(wire, request, seconds=IDLE_S)
    if request.body != body_of(number, len(request.body), "u"):
        violation(f"request {number} has a body that is not its own: {request.body[:60]!r}")


async def switch(world, wire, address, request):
    await wire.send(f"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n"
                    f"{fields(world, address, request)}\r\n".encode())
    while wire.held or await wire.more(IDLE_S):
        await wire.send(wire.take(len(wire.held)))
    return False


async def serve(world, wire, address):
    try:
        idle_s = IDLE_S if world.is_calm or world.random.random() < 0.7 else world.random.uniform(0.005, 0.05)
        while True:
            text = await wire.until(b"\r\n\r\n", idle_s)
            request = Request(text)
            if request.target.startswith("/health"):
                await wire.send(b"HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n" % (503 if world.moods[address] == "failing" else 200))
                continue
            number = int(request.get("x-id"))
            world.counts[number] = min(255, world.counts[number] + 1)
            if world.moods[address] == "hanging":
                await world.loop.sleep(world.random.uniform(0, 1))
            if not await answer(world, wire, address, request):
                break
    except Bad as error:
        violation(f"a request that nobody may send: {error}")
    except (Ended, TooLate):
        pass
    wire.half_close()
    wire.close()


# ---- listening, in moods --------------------------------------------------------------------------------------------------


def listen(address, port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(1024)
    return listener


async def accept(world, address):
    """A listener of this address, which is closed while its mood is "refusing"."""
    while True:
        gate = Wire(world.loop, listen(address, world.port))
        while world.moods[address] != "refusing":
            try:
                connected, _ = gate.socket.accept()
            except BlockingIOError:
                await world.loop.wait(0.1, gate.waiters)
                continue
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = Wire(world.loop, connected)
            if world.moods[address] == "resetting":
                wire.close(is_reset=True)
            else:
                world.loop.spawn(serve(world, wire, address))
        gate.close()
        while world.moods[address] == "refusing":
            await world.loop.sleep(0.02)


async def change_mood(world, address):
    while True:
        await world.loop.sleep(world.random.uniform(1, 6))
        if not world.is_calm:
            world.moods[address] = world.random.choice(["failing", "failing", "refusing", "hanging", "resetting"])
            await world.loop.sleep(world.random.uniform(0.1, 0.8))
        world.moods[address] = "up"


async def change_sets(world):
    while True:
        for group in GROUPS:
            count = world.random.choice([0, *range(1, 6), *range(1, 6), *range(1, 6)])
            anchors = ADDRESSES[group][:ANCHORS.get(group, 0)]
            others = ADDRESSES[group][len(anchors):]
            world.sets[group] = ADDRESSES[group] if world.is_calm else \
                anchors + world.random.sample(others, min(count, len(others)))
        await world.loop.sleep(0.1)


# ---- names ----------------------------------------------------------------------------------------------------------------


def parse_question(message):
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", message, at + 1)[0], message[12:at + 5]


def record(kind, data):
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 600, len(data)) + data


def names_of(group, address):
    name = f"{group}.{address.rsplit('.', 1)[1]}.abcdefghijklmnopqrstuvwxy.net"
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def reply_to(world, message, is_datagram):
    """None: silence."""
    name, kind, question = parse_question(message)
    records, code, truncated = [], 0, 0
    chance = 1 if world.is_calm else world.random.random()
    if kind == PTR:
        address = ".".join(reversed(name.split(".")[:4]))
        owner = next((group for group in GROUPS if address in ADDRESSES[group]), None)
        records = [record(PTR, names_of(owner, address))] if owner and chance > 0.2 else []
    elif name.removeprefix("tasks.") not in GROUPS:
        code = 3
    elif chance < 0.02:
        return None
    elif chance < 0.06:
        code = world.random.choice([2, 3, 5])
    elif chance < 0.1 and is_datagram:
        truncated = 0x0200
    elif chance < 0.12:
        return bytes(message[:2]) + os.urandom(30)
    elif kind == A:
        records = [record(A, socket.inet_aton(address)) for address in world.sets[name.removeprefix("tasks.")]]
    code = code or (3 if kind == PTR and not records else 0)
    return message[:2] + struct.pack("!HHHHH", 0x8180 | truncated | code, 1, len(records), 0, 0) + question + b"".join(records)


async def names_by_datagram(world):
    gate = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gate.bind(("127.0.0.1", world.dns_port))
    wire = Wire(world.loop, gate)
    while True:
        try:
            message, peer = gate.recvfrom(4096)
        except BlockingIOError:
            await world.loop.wait(None, wire.waiters)
            continue
        reply = reply_to(world, message, True)
        if reply:
            gate.sendto(reply, peer)


async def names_by_stream(world, wire):
    try:
        while True:
            message = await wire.need(struct.unpack("!H", await wire.need(2, 5))[0], 5)
            reply = reply_to(world, message, False)
            if reply is None:
                break
            await wire.send(struct.pack("!H", len(reply)) + reply)
    except (Ended, TooLate):
        pass
    wire.close()


async def accept_names(world):
    gate = Wire(world.loop, listen("127.0.0.1", world.dns_port))
    while True:
        try:
            world.loop.spawn(names_by_stream(world, Wire(world.loop, gate.socket.accept()[0])))
        except BlockingIOError:
            await world.loop.wait(None, gate.waiters)


# ---- what the driver says -------------------------------------------------------------------------------------------------


async def obey(world):
    class Standard:
        def fileno(self):
            return 0

        def setblocking(self, _):
            os.set_blocking(0, False)

        def recv(self, size):
            return os.read(0, size)

    wire = Wire(world.loop, Standard())
    while True:
        try:
            line = (await wire.until(b"\n", 10000)).strip()
        except Ended:
            os._exit(0)
        world.is_calm = line == b"calm"
        if world.is_calm:
            for address in world.moods:
                world.moods[address] = "up"
            world.sets = {group: ADDRESSES[group] for group in GROUPS}
            until = time.monotonic() + 1  # whoever was on the way to a bad mood is there, and back
            while time.monotonic() < until or any(mood != "up" for mood in world.moods.values()):
                await world.loop.sleep(0.05)
        print("ok", flush=True)


def main():
    seed, port, dns_port, counts = sys.argv[1:]
    world = World(int(seed), int(port), int(dns_port), counts)
    for address in world.moods:
        world.loop.spawn(accept(world, address))
        world.loop.spawn(change_mood(world, address))
    for task in (change_sets, names_by_datagram, accept_names, obey):
        world.loop.spawn(task(world))
    world.loop.run(lambda: False)


main()
