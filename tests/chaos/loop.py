"""Coroutines over raw sockets: one thread, one epoll, edge-triggered. asyncio would do, at a third of the speed, and here the
driver and its replicas share two processors with a gateway that a sanitizer makes slow."""
import collections
import errno
import heapq
import itertools
import select
import socket
import struct
import time
import types

GUARD = 30


@types.coroutine
def suspend():
    return (yield)


class Task:
    __slots__ = ("coroutine", "token")

    def __init__(self, coroutine):
        self.coroutine, self.token = coroutine, 0


class Loop:
    def __init__(self):
        self.epoll, self.wires = select.epoll(), {}
        self.ready, self.timers, self.numbers = collections.deque(), [], itertools.count()
        self.current, self.tasks = None, 0

    def spawn(self, coroutine):
        self.tasks += 1
        self.ready.append((Task(coroutine), 0, True))

    def step(self, task, value):
        self.current = task
        try:
            task.coroutine.send(value if task.token else None)
        except StopIteration:
            self.tasks -= 1
        self.current = None

    def wake(self, task, token, value):
        self.ready.append((task, token, value))

    async def wait(self, seconds, waiters=None):
        """Until somebody wakes what is in `waiters`: True; or until the time is over: False."""
        task = self.current
        task.token += 1
        if seconds is not None:
            heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.numbers), task, task.token))
        if waiters is not None:
            waiters.append((task, task.token))
        return await suspend()

    async def sleep(self, seconds):
        await self.wait(seconds)

    def turn(self):
        wait_s = 0 if self.ready else 1
        if self.timers and not self.ready:
            wait_s = min(1, max(0, self.timers[0][0] - time.monotonic()))
        for fd, events in self.epoll.poll(wait_s, 256):
            wire = self.wires.get(fd)
            if wire:
                wire.on_events(events)
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            _, _, task, token = heapq.heappop(self.timers)
            self.ready.append((task, token, False))
        for _ in range(len(self.ready)):
            task, token, value = self.ready.popleft()
            if task.token == token:
                self.step(task, value)
                task.token += 1 if task.token == token else 0

    def run(self, is_over):
        while not is_over():
            self.turn()


class TooLate(Exception):
    """A peer said nothing for longer than the task would wait."""


class Ended(Exception):
    """A peer closed, or reset, before what was awaited had come."""


class Wire:
    """A connected socket. What was received and not yet taken is in `held`."""

    def __init__(self, loop, connected):
        self.loop, self.socket = loop, connected
        connected.setblocking(False)
        self.held, self.waiters, self.news = bytearray(), [], 0
        self.has_ended = False
        loop.wires[connected.fileno()] = self
        loop.epoll.register(connected, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)

    def on_events(self, events):
        self.news += 1
        waiters, self.waiters = self.waiters, []
        for task, token in waiters:
            self.loop.wake(task, token, True)

    async def event(self, seconds):
        if not await self.loop.wait(seconds, self.waiters):
            raise TooLate()

    async def more(self, seconds=GUARD, size=65536):
        """False at the end."""
        end = time.monotonic() + seconds
        while True:
            try:
                got = self.socket.recv(size)
            except BlockingIOError:
                await self.event(max(0, end - time.monotonic()))
                continue
            except OSError as error:
                raise Ended(errno.errorcode.get(error.errno)) from None
            self.held += got
            self.has_ended = not got
            return bool(got)

    async def need(self, length, seconds=GUARD):
        while len(self.held) < length:
            if not await self.more(seconds):
                raise Ended("closed")
        return self.take(length)

    async def until(self, mark, seconds=GUARD, most=1 << 20):
        begin = 0
        while (at := self.held.find(mark, begin)) < 0:
            begin = max(0, len(self.held) - len(mark))
            assert begin < most, "endless"
            if not await self.more(seconds):
                raise Ended("closed")
        return self.take(at + len(mark))

    def take(self, length):
        taken = bytes(self.held[:length])
        del self.held[:length]
        return taken

    async def send(self, data, seconds=GUARD):
        view = memoryview(data)
        while view:
            try:
                view = view[self.socket.send(view):]
            except BlockingIOError:
                await self.event(seconds)
            except OSError as error:
                raise Ended(errno.errorcode.get(error.errno)) from None

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self, is_reset=False):
        if self.socket.fileno() < 0:
            return
        del self.loop.wires[self.socket.fileno()]
        if is_reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.on_events(0)


async def connect(loop, address, receive_buffer=None, source=None):
    connecting = socket.socket()
    if source:
        connecting.bind((source, 0))
    connecting.setblocking(False)
    if receive_buffer:
        connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    result = connecting.connect_ex(address)
    wire = Wire(loop, connecting)
    try:
        if result == errno.EINPROGRESS:
            await wire.event(GUARD)
            result = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result:
            raise Ended(errno.errorcode.get(result))
    except (Ended, TooLate):
        wire.close()
        raise
    return wire
