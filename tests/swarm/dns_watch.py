"""Watches swarm's DNS for a name on each node, with times: it knows what happens on its own node at once, and hears of
the rest by gossip, so nothing that a gateway does about it may be measured from when swarm decided it.

    with DnsWatch("tasks.patient") as dns:
        ...
    dns.withdrawn("node1", "10.0.1.7")

Run as a program, `dns_watch.py NAME LOG PROCESS`, it is what asks within a container's network, as long as its process lives.
"""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

PAUSE_S, TIMEOUT_S = 0.05, 0.5
DNS = ("127.0.0.11", 53)
NO_ERROR, NO_NAME, TYPE_A = 0, 3, 1


# ---- the program -----------------------------------------------------------------------------------------------

def question(number, name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, TYPE_A, 1)


def after_name(message, at):
    while 0 < message[at] < 0xc0:
        at += 1 + message[at]
    return at + (2 if message[at] else 1)


def addresses_of(message):
    count, at = int.from_bytes(message[6:8], "big"), after_name(message, 12) + 4
    for _ in range(count):
        at = after_name(message, at)
        kind, _, _, length = struct.unpack_from(">HHIH", message, at)
        at += 10 + length
        if kind == TYPE_A:
            yield socket.inet_ntoa(message[at - length:at])


def watch(name, path, process):
    """A line for each answer: when the question was sent, when it was answered, the addresses."""
    number = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker, open(path, "w", buffering=1) as log:
        asker.connect(DNS)
        asker.settimeout(TIMEOUT_S)
        while os.path.exists(f"/proc/{process}"):
            number = (number + 1) % 65536
            asked = time.time()
            try:
                asker.send(question(number, name))
                while int.from_bytes((message := asker.recv(4096))[:2], "big") != number:
                    pass
            except OSError:
                message = b""
            if message and message[3] & 15 in (NO_ERROR, NO_NAME):
                print(f"{asked:.3f} {time.time():.3f}", *addresses_of(message), file=log)
            time.sleep(PAUSE_S)


# ---- what the tests use ----------------------------------------------------------------------------------------

class DnsWatch:
    def __init__(self, name):
        self.name, self.answers = name, None

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="swarm-dns.")
        self.watchers = {}
        for node in NODES:
            process = str(process_of(tasks("gateway", node)[0]))
            self.watchers[node] = subprocess.Popen(["nsenter", "--net", "--target", process, sys.executable, os.path.abspath(__file__),
                                                    self.name, f"{self.folder.name}/{node}", process])
        return self

    def __exit__(self, *_):
        for watcher in self.watchers.values():
            watcher.kill()
            watcher.wait()
        self.answers = {node: list(self.read(node)) for node in NODES}
        self.folder.cleanup()

    def read(self, node):
        with open(f"{self.folder.name}/{node}") as file:
            for line in file:
                if line.endswith("\n"):
                    asked, answered, *addresses = line.split()
                    yield float(asked), float(answered), addresses

    def appeared(self, address):
        """When the DNS of any node gave it for the first time."""
        return min(answered for answers in self.answers.values() for _, answered, addresses in answers if address in addresses)

    def withdrawn(self, node, address):
        """When the node's DNS gave its first answer without the address that had been there."""
        last = max(index for index, (_, _, addresses) in enumerate(self.answers[node]) if address in addresses)
        return self.answers[node][last + 1][1]

    def had_none(self, node, since, until):
        """Did it say at any time between these moments that there is no address?"""
        return any(not addresses for asked, answered, addresses in self.answers[node] if asked < until and answered >= since)

    def slowest(self, node, since, until):
        """How long the longest of its answers took between these moments."""
        return max(answered - asked for asked, answered, _ in self.answers[node] if asked < until and answered >= since)


if __name__ == "__main__":
    watch(*sys.argv[1:])
else:
    from swarm import NODES, process_of, tasks
