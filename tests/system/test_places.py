"""Places in the bulkhead are for requests that an upstream works on: not for clients that read slowly, not for tunnels and event
streams."""
import signal
import threading

import pytest

from harness import Client, plain, until

FALLBACK = "Patient information is currently unavailable\n"
LARGE = 64 << 20  # more than kernel and gateway together hold for a client
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


@pytest.fixture
def serve(gateway, upstream):
    def start(handler, workers=1, bulkhead=None, timeouts=None, whole=True, **keys):
        patient = {"url": upstream(handler, backlog=1024, whole=whole), "bulkhead": bulkhead or {"max_in_flight": 4},
                   "timeouts": timeouts or {"response": "1m"}}
        return gateway({"patient": patient}, [{"path": "/", "fallback": FALLBACK}], workers=workers, **keys)

    return start


def look(started):
    return started.admin("/upstreams")["upstreams"][0]["bulkhead"]


def wait_for(started, **figures):
    until(lambda: figures.items() <= look(started).items(), f"{figures}, there are {look(started)}")


def send_large(connection, request):
    if request.target == "/large":
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")
        for _ in range(LARGE >> 20):
            connection.send(bytes(1 << 20))
    elif request.target in ("/chunks", "/endless"):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(LARGE >> 20 if request.target == "/chunks" else 1 << 20):
            connection.send(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
    else:
        plain(connection, request)


def read_slowly(started, target="/large"):
    """A client that takes the head and then no more."""
    connection = Client(started.port, receive_buffer=4096)
    connection.ask(target=target)
    assert b" 200 " in connection.read_until(b"\r\n")
    return connection


@pytest.mark.parametrize("target", ["/large", "/chunks"])
def test_a_client_that_does_not_read_gives_way_to_every_request(serve, target):
    started = serve(send_large, bulkhead={"max_in_flight": 4, "max_waiting": 8, "max_wait": "400ms"})
    slow = [read_slowly(started, target) for _ in range(4)]
    wait_for(started, inFlight=4)
    for number in range(8):
        slow.append(read_slowly(started, target))  # it is served: another had to go
    assert Client(started.port).request().status == 200
    assert look(started)["rejected"] == 0
    assert started.metrics().sum("gateway_connections_shed_total", reason="slow") >= 8
    assert all(connection.answer().status == 200 for connection in [started_client(started) for _ in range(4)])


def started_client(started):
    connection = Client(started.port)
    connection.ask()
    return connection


def test_a_client_that_does_not_read_gives_way_in_any_worker(serve):
    started = serve(send_large, workers=4, bulkhead={"max_in_flight": 2, "max_wait": "10s"})
    slow = [read_slowly(started) for _ in range(2)]
    wait_for(started, inFlight=2)
    for _ in range(12):  # whichever worker gets it
        assert Client(started.port).request().status == 200
    assert look(started)["rejected"] == 0
    assert slow


def test_a_client_that_reads_on_keeps_its_place(serve):
    """The one that takes nothing goes, not the one that reads."""
    started = serve(send_large, bulkhead={"max_in_flight": 2, "max_waiting": 100, "max_wait": "1m"})
    reading, read, over = Client(started.port), [0], threading.Event()
    reading.ask(target="/endless")

    def read_on():
        while not over.is_set():
            read[0] += len(reading.socket.recv(1 << 16))

    reader = threading.Thread(target=read_on)
    reader.start()
    until(lambda: read[0] > LARGE, "it reads")
    idle = read_slowly(started)
    wait_for(started, inFlight=2)
    assert started_client(started).answer().status == 200
    before = read[0]
    until(lambda: read[0] > before + LARGE, "it goes on")
    over.set()
    reader.join()
    with pytest.raises(ConnectionResetError):
        idle.read_all()


def test_a_response_that_the_upstream_has_sent_whole_holds_no_place(serve):
    """Its client reads nothing of it."""
    size = 300000
    sent = threading.Event()

    def handler(connection, request):
        connection.reply(body=bytes(size))
        sent.set()

    started = serve(handler, bulkhead={"max_in_flight": 1})
    slow = Client(started.port, receive_buffer=4096)
    slow.ask()
    assert sent.wait(10)
    wait_for(started, inFlight=0)
    assert len(slow.answer().body) == size


def wait_for_bytes(connection, request):
    if "Upgrade" in dict(request.fields):
        connection.send("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while connection.more():
            connection.send(connection.take(len(connection.held)))
    elif request.target == "/events":
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.more()
    else:
        plain(connection, request)


def tunnel(started):
    connection = Client(started.port)
    connection.ask(headers=UPGRADE)
    return connection, connection.answer()


def listen(started):
    connection = Client(started.port)
    connection.ask(target="/events")
    return connection, connection.read_until(b"\r\n\r\n")


@pytest.mark.parametrize("open_one", [tunnel, listen])
def test_streams_hold_no_place(serve, open_one):
    started = serve(wait_for_bytes, bulkhead={"max_in_flight": 2, "max_waiting": 0})
    streams = [open_one(started) for _ in range(6)]
    wait_for(started, inFlight=0, streams=6)
    assert started.metrics().sum("gateway_bulkhead_streams") == 6
    assert Client(started.port).request().status == 200
    for connection, _ in streams:
        connection.reset()
    wait_for(started, inFlight=0, streams=0)


@pytest.mark.parametrize("open_one", [tunnel, listen])
def test_no_more_streams_than_max_streams(serve, open_one):
    started = serve(wait_for_bytes, bulkhead={"max_in_flight": 2, "max_streams": 3}, timeouts={"idle": "1h"})
    streams = [open_one(started) for _ in range(3)]
    connection = Client(started.port)
    response = connection.request(headers=UPGRADE if open_one is tunnel else {}, target="/" if open_one is tunnel else "/events")
    assert response.status == 503 and response.body == FALLBACK.encode()
    assert "bulkhead.max_streams" in response.get("Proxy-Status")
    assert started.breaker()["failedCalls"] == 0
    wait_for(started, inFlight=0, streams=3)
    assert started.metrics().sum("gateway_bulkhead_streams_rejected_total") == 1
    assert Client(started.port).request().status == 200
    streams[0][0].reset()
    wait_for(started, streams=2)
    streams.append(open_one(started))
    wait_for(started, streams=3)


def test_the_stream_that_was_silent_longest_goes_for_a_new_one(serve):
    started = serve(wait_for_bytes, bulkhead={"max_streams": 2}, timeouts={"idle": "4s"})
    silent, used = tunnel(started)[0], tunnel(started)[0]

    def may_come():
        used.send("ping")
        assert used.read(4) == b"ping"
        connection, response = tunnel(started)
        connection.close()
        return response.status == 101

    until(may_come, "the silent one gives way")
    with pytest.raises(ConnectionResetError):
        silent.more()
    used.send("ping")
    assert used.read(4) == b"ping"
    until(lambda: [line["status"] for line in started.log() if line["outcome"] == "shed"] == [101], "its line in the log")


def test_a_silent_tunnel_gives_its_connection_to_a_newcomer(serve):
    started = serve(wait_for_bytes, timeouts={"idle": "2s"}, limits={"connections": 4})
    tunnels = [tunnel(started)[0] for _ in range(4)]

    def may_come():
        for connection in tunnels[1:]:
            connection.send("ping")
            assert connection.read(4) == b"ping"
        return started.metrics().sum("gateway_connections_shed_total", reason="oldest_idle") == 1

    newcomer = Client(started.port)
    newcomer.ask()
    until(may_come, "the silent one gives way")
    assert newcomer.answer().status == 200


@pytest.mark.parametrize("workers", [1, 4])
def test_a_cancelled_request_keeps_its_place_while_the_service_works_on_it(serve, workers):
    inside, most, lock, done = [0], [0], threading.Lock(), threading.Event()

    def work(connection, request):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        done.wait(60)
        with lock:
            inside[0] -= 1
        plain(connection, request)

    started = serve(work, workers=workers, bulkhead={"max_in_flight": 2, "max_waiting": 40, "max_wait": "1m"})
    for _ in range(20):
        connection = started_client(started)
        until(lambda: look(started)["inFlight"] + look(started)["waiting"] > 0)
        connection.reset()
    wait_for(started, waiting=0)
    asking = started_client(started)
    assert most[0] <= 2 and look(started)["inFlight"] <= 2
    done.set()
    assert asking.answer().status == 200
    assert most[0] <= 2
    wait_for(started, inFlight=0)
    (endpoint,) = started.admin("/upstreams/patient")["endpoints"]
    assert (endpoint["inFlight"], endpoint["failures"]) == (0, 0)


def test_a_service_that_stops_when_its_client_has_gone_gives_the_place_back(serve):
    def listen_for_the_end(connection, request):
        if request.target == "/":
            plain(connection, request)
        else:
            connection.more()

    started = serve(listen_for_the_end, bulkhead={"max_in_flight": 1, "max_wait": "1m"})
    connection = Client(started.port)
    connection.ask(target="/long")
    wait_for(started, inFlight=1)
    connection.reset()
    assert started_client(started).answer().status == 200


def test_a_place_is_kept_for_as_long_as_a_response_may_take(serve):
    def hang(connection, request):
        if request.target == "/":
            plain(connection, request)
        else:
            threading.Event().wait(60)

    started = serve(hang, bulkhead={"max_in_flight": 1, "max_wait": "1m"}, timeouts={"response": "500ms", "total": "1m"})
    connection = Client(started.port)
    connection.ask(target="/hang")
    wait_for(started, inFlight=1)
    connection.reset()
    assert started_client(started).answer().status == 200


def test_a_client_that_waits_for_a_100_keeps_its_place(serve):
    """It is the service's turn, not the client's."""
    go_on = threading.Event()

    def answer(connection, request):
        if request.method == "POST":
            assert go_on.wait(60)
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert connection.read(5) == b"hello"
        connection.reply()

    started = serve(answer, bulkhead={"max_in_flight": 1, "max_waiting": 8, "max_wait": "30s"}, whole=False)
    patient = Client(started.port)
    patient.ask("POST", headers={"Expect": "100-continue", "Content-Length": 5})
    wait_for(started, inFlight=1)
    other = Client(started.port)
    other.ask()
    wait_for(started, waiting=1)
    threading.Event().wait(0.5)  # several times the pace of the search for slow clients
    go_on.set()
    assert b" 100 " in patient.read_until(b"\r\n\r\n")
    patient.send(b"hello")
    assert patient.answer().status == 200 and other.answer().status == 200


def test_an_answer_that_came_with_an_interim_one_gives_the_place_back(serve):
    """The client has left, which the gateway learns as it sends on the interim response: the final one stands behind it."""
    asked, left, release = threading.Event(), threading.Event(), threading.Event()

    def answer(connection, request):
        if request.target == "/other":
            connection.reply()
            return
        asked.set()
        assert left.wait(60)
        connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        release.wait(60)

    started = serve(answer, bulkhead={"max_in_flight": 1, "max_waiting": 8, "max_wait": "30s"})
    leaving = Client(started.port)
    leaving.ask()
    assert asked.wait(60)
    started.signal(signal.SIGSTOP)
    left.set()
    threading.Event().wait(0.2)  # the service's bytes come first
    leaving.reset()
    started.signal(signal.SIGCONT)
    assert Client(started.port).request(target="/other").status == 200
    release.set()
    assert started.log(2)[0]["outcome"] == "client_aborted"
