"""Work without end on one connection is done in turns with what the others want: tiny chunks, from either side. (Thousands of
requests on one connection: test_limits.py.) And after a time without any turn everybody is heard before it is too late."""
import signal
import threading
import time

from harness import Client, until

CHUNKS = b"1\r\nx\r\n" * 10_000
OTHERS = 50


def check_turns(work, finish, other, progress):
    """While `work` runs beside us until finish(): how much of it gets done during each request of somebody else."""
    working = threading.Thread(target=work)
    working.start()
    until(lambda: progress[0] > 1_000_000, "the greedy one is being served")
    done = []
    for _ in range(OTHERS):
        before = progress[0]
        assert other.request().status == 200
        done.append(progress[0] - before)
    finish.set()
    working.join()
    done.sort()
    print(f"\nbytes of tiny chunks during one request of another: median {done[OTHERS // 2]}, at most {done[-1]}")
    assert done[OTHERS // 2] < 8 << 20


def test_tiny_chunks_of_a_client(gateway, upstream):
    def take(connection, request):
        if request.method == "GET":
            connection.reply()
            return
        while connection.more():
            connection.take(len(connection.held))

    running = gateway(upstream(take, whole=False), workers=1)
    greedy, other, done, sent = Client(running.port), Client(running.port), threading.Event(), [0]
    greedy.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")

    def send_all():
        while not done.is_set():
            greedy.send(CHUNKS)
            sent[0] += len(CHUNKS)

    check_turns(send_all, done, other, sent)
    greedy.close()


def test_tiny_chunks_of_an_upstream(gateway, upstream):
    done, taken = threading.Event(), [0]

    def give(connection, request):
        if request.target != "/greedy":
            connection.reply()
            return
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not done.is_set():
            connection.send(CHUNKS)
        connection.send(b"0\r\n\r\n")

    running = gateway(upstream(give), workers=1)
    greedy, other = Client(running.port), Client(running.port)
    greedy.ask(target="/greedy")

    def take_all():
        while not greedy.held.endswith(b"\r\n0\r\n\r\n") and greedy.more():
            taken[0] += len(greedy.held)
            greedy.take(max(0, len(greedy.held) - 7))

    check_turns(take_all, done, other, taken)
    assert greedy.held.endswith(b"0\r\n\r\n")


def test_bytes_that_came_while_the_gateway_stood_still_are_not_late(gateway, upstream):
    """As in a container that is paused, or a machine that is moved: more answers have come than a turn of the loop hears of."""
    count, may_answer, answered = 200, threading.Event(), []

    def answer(connection, request):
        may_answer.wait(30)
        connection.reply()
        answered.append(request)

    behind = upstream(answer, backlog=1024)
    started = gateway({"patient": {"url": behind, "timeouts": {"response": "6s"}, "retry": {"attempts": 0}}}, workers=1)
    clients = [Client(started.port) for _ in range(count)]
    for client in clients:
        client.ask()
    behind.wait_for(count)
    sent = time.monotonic()
    started.signal(signal.SIGSTOP)
    may_answer.set()
    until(lambda: len(answered) == count and time.monotonic() > sent + 6.2, "all have answered, and their time is over")
    started.signal(signal.SIGCONT)
    assert [client.answer().status for client in clients] == [200] * count
    for client in clients:
        client.close()
