"""A service with a thread for each request, as most are: a request that is not whole keeps one, and so does a response that its
client does not take.

    threads.py --listen 127.0.0.11:2222 --threads 16 --fail-while FILE

    .../large    16 MiB
    .../slow     answers after half a second

A request that is not whole within READ_S is cut; so is a response of which nothing was taken for WRITE_S. 500 for everything while
FILE is there.
"""
import argparse
import os
import queue
import selectors
import socket
import struct
import threading
import time

READ_S, WRITE_S, LARGE_BYTES = 3, 2, 16 << 20


class Connection:
    def __init__(self, accepted):
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket, self.held = accepted, b""

    def more(self, due):
        self.socket.settimeout(max(0.001, due - time.monotonic()))
        got = self.socket.recv(65536)
        if not got:
            raise EOFError
        self.held += got

    def read_until(self, mark, due):
        while mark not in self.held:
            self.more(due)
        taken, _, self.held = self.held.partition(mark)
        return taken

    def skip(self, length, due):
        while len(self.held) < length:
            length -= len(self.held)
            self.held = b""
            self.more(due)
        self.held = self.held[length:]

    def read_request(self):
        due = time.monotonic() + READ_S
        head = self.read_until(b"\r\n\r\n", due).decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:])
        if "content-length" in fields:
            self.skip(int(fields["content-length"]), due)
        elif "transfer-encoding" in fields:
            while size := int(self.read_until(b"\r\n", due), 16):
                self.skip(size + 2, due)
            self.read_until(b"\r\n", due)
        return head[0].split(" ")[1]

    def send(self, data):
        """WRITE_S between two pieces that are taken."""
        self.socket.settimeout(WRITE_S)
        view = memoryview(data)
        while view:
            view = view[self.socket.send(view):]

    def cut(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def serve(connection, options):
    path = connection.read_request()
    if os.path.exists(options.fail_while):
        connection.send(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n")
        return
    if path.endswith("/slow"):
        time.sleep(0.5)
    body = bytes(LARGE_BYTES) if path.endswith("/large") else b"ok"
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def work(ready, idle, wake, options):
    while True:
        connection = ready.get()
        try:
            serve(connection, options)
            idle.put(connection)
            wake.send(b"x")
        except (OSError, EOFError, ValueError):
            connection.cut()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--fail-while", required=True)
    options = parser.parse_args()
    address, _, port = options.listen.rpartition(":")
    ready, idle, (wake, woken) = queue.Queue(), queue.Queue(), socket.socketpair()
    for _ in range(options.threads):
        threading.Thread(target=work, args=(ready, idle, wake, options), daemon=True).start()
    listener = socket.create_server((address, int(port)), backlog=1024)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    waiting.register(woken, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is listener:
                waiting.register((connection := Connection(listener.accept()[0])).socket, selectors.EVENT_READ, connection)
            elif key.fileobj is woken:
                woken.recv(4096)
                while not idle.empty():
                    connection = idle.get()
                    waiting.register(connection.socket, selectors.EVENT_READ, connection)
            else:  # a request begins
                waiting.unregister(key.fileobj)
                ready.put(key.data)


main()
