"""Work without end on one connection is done in turns with what the others want: tiny chunks, from either side. (Thousands of
requests on one connection: test_limits.py.)"""
import threading

from harness import Client, until

CHUNKS = b"1\r\nx\r\n" * 10_000
OTHERS = 50


def in_between(other, progress):
    """What the greedy one got done during each request of somebody else."""
    done = []
    for _ in range(OTHERS):
        before = progress()
        assert other.request().status == 200
        done.append(progress() - before)
    return sorted(done)


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

    sending = threading.Thread(target=send_all)
    sending.start()
    until(lambda: sent[0] > 1_000_000, "the greedy one is being served")
    progress = in_between(other, lambda: sent[0])
    done.set()
    sending.join()
    print(f"\nbytes of tiny chunks during one request of another: median {progress[OTHERS // 2]}, at most {progress[-1]}")
    assert progress[OTHERS // 2] < 8 << 20
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

    taking = threading.Thread(target=take_all)
    taking.start()
    until(lambda: taken[0] > 1_000_000, "the greedy one is being served")
    progress = in_between(other, lambda: taken[0])
    done.set()
    taking.join()
    print(f"\nbytes of tiny chunks during one request of another: median {progress[OTHERS // 2]}, at most {progress[-1]}")
    assert progress[OTHERS // 2] < 8 << 20
    assert greedy.held.endswith(b"0\r\n\r\n")
