"""One limit over all gateways, counted by a real Redis: exact while it answers, and nobody's misfortune while it does not."""
import os
import shutil
import socket
import threading
import time

import pytest

import process
from harness import Client, ended_after, free_port, until
from process import IS_SANITIZED, each, memory
from redis import Redis

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed (make deps-test)")


@pytest.fixture
def redis(tmp_path):
    yield from ended_after(lambda *arguments: Redis(tmp_path, *arguments))


def limited(store, **keys):
    return [{"path": "/", "rate_limit": {"rate": "1/h", "burst": 100, "key": "route", "store": store, **keys}}]


def sockets_of(running):
    return sum(target.startswith("socket:") for target in each(running.process, "fd", os.readlink))


def decisions(running, result):
    return running.metrics().sum("gateway_rate_limit_store_decisions_total", result=result)


def is_up(running):
    return running.metrics().sum("gateway_rate_limit_store_up") == 1


def count_allowed(runnings, requests):
    """Each gateway is asked on eight connections at once."""
    connections = [Client(running.port) for running in runnings for _ in range(8)]
    allowed = 0
    for _ in range(requests // len(connections)):
        for connection in connections:
            connection.ask()
        allowed += sum(connection.answer().status == 200 for connection in connections)
    for connection in connections:
        connection.close()
    return allowed


def test_one_limit_over_two_gateways(gateway, upstream, redis):
    """What the store decided is exact; a busy machine may let some be decided to a share, which are counted."""
    store, behind = redis(), upstream()
    runnings = [gateway(behind, limited(store.url)) for _ in range(2)]
    allowed = count_allowed(runnings, 320)
    local = sum(decisions(running, "local") for running in runnings)
    assert 100 <= allowed <= 100 + local
    assert sum(decisions(running, "store") for running in runnings) == 320 - local
    assert b"gateway:/:" in store.command("KEYS", "*")


def test_nobody_misses_a_store_that_a_reload_has_left(gateway, upstream, redis, client):
    store, behind = redis(), upstream()
    running = gateway(behind, limited(store.url), workers=1)
    assert client(running).request().status == 200
    until(lambda: is_up(running), "the store answers")
    running.configure(behind, workers=1)
    assert "in use now" in running.reload()
    connected = sockets_of(running)
    store.stop()
    until(lambda: sockets_of(running) < connected, "the gateway has closed its connection")
    client(running).request()
    assert not running.has_said("limits by itself")


def test_no_label_is_taken_for_a_tag(gateway, upstream, redis, tmp_path):
    """A label that is there twice makes Prometheus drop all metrics."""
    running = gateway(upstream(), limited(redis().url))
    labels = sorted({label for _, found, _ in running.metrics() for label in found})
    assert "store" in labels
    for label in labels:
        file = tmp_path / "tagged.yml"
        file.write_text(f"listen: 127.0.0.1:80\nmetrics: {{ tags: {{ {label}: x }} }}\n")
        assert f'the metrics already have a label "{label}"' in process.run("--check", "--config", str(file)).stderr


def test_it_waits_for_the_true_time(gateway, upstream, redis, client):
    def ask(connection):
        answer = connection.request()
        return (answer.status, answer.get("RateLimit-Policy"), answer.get("RateLimit"), int(answer.get("Retry-After", "0")))

    for _ in range(10):  # on a busy machine a gateway may have to decide alone, which it counts
        running = gateway(upstream(), limited(redis().url, rate="60/h", burst=1, headers="on"))
        connection = client(running)
        assert ask(connection) == (200, '"default";q=1;w=60', '"default";r=0;t=60', 0)
        status, _, tells, wait = ask(connection)
        assert (status, tells.split(";")[1]) == (429, "r=0") and 50 <= wait <= 60
        if decisions(running, "local") == 0:
            break
    assert decisions(running, "store") == 2


def test_keys_are_not_shown_to_the_store(gateway, upstream, redis, client):
    store = redis()
    running = gateway(upstream(), limited(store.url, key="header:X-Api-Key"))
    assert client(running).request(headers={"X-Api-Key": "very-secret"}).status == 200
    until(lambda: b"gateway:/:" in store.command("KEYS", "*"), "the key is there")
    assert b"very-secret" not in store.command("KEYS", "*")


def test_a_password_and_a_database(gateway, upstream, redis, client):
    store = redis("--requirepass", "se:cr@t")
    environment = dict(os.environ, REDIS_PASSWORD="se%3Acr%40t")
    url = f"redis://:${{REDIS_PASSWORD}}@127.0.0.1:{store.port}/3"
    running = gateway(upstream(), limited(url), env=environment)
    connection = client(running)
    until(lambda: connection.request().status == 200 and decisions(running, "store") > 0, "the store decides")
    assert "cr@t" not in running.stderr and "se%3A" not in running.stderr


def test_a_wrong_password(gateway, upstream, redis, client):
    running = gateway(upstream(), limited(f"redis://:wrong@127.0.0.1:{redis('--requirepass', 'right').port}"))
    assert client(running).request().status == 200
    until(lambda: running.has_said("until it answers each gateway limits by itself"), "it is said")
    assert "WRONGPASS" in running.stderr and not is_up(running)


def test_a_password_that_is_changed_leaves_no_second_series(gateway, upstream, redis, client):
    store, behind = redis("--requirepass", "right"), upstream()
    running = gateway(behind, limited(f"redis://:wrong@127.0.0.1:{store.port}"))
    assert client(running).request().status == 200
    until(lambda: running.has_said("until it answers each gateway limits by itself"), "it is said")
    running.configure(behind, limited(f"redis://:right@127.0.0.1:{store.port}"))
    assert "in use now" in running.reload()
    connection = client(running)
    until(lambda: connection.request().status == 200 and decisions(running, "store") > 0, "the store decides")
    until(lambda: [value for _, value in running.metrics().find("gateway_rate_limit_store_up")] == [1], "one series, and it is up")
    assert len(running.metrics().find("gateway_rate_limit_store_decisions_total")) == 2


class Load:
    """Asks on several connections until it is told to stop; keeps how long each request took, and what it got."""

    def __init__(self, port, connections=8):
        self.port, self.seconds, self.statuses, self.failures, self.must_stop = port, [], [], [], False
        self.threads = [threading.Thread(target=self.run) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def run(self):
        connection = Client(self.port)
        try:
            while not self.must_stop:
                began = time.monotonic()
                self.statuses.append(connection.request().status)
                self.seconds.append(time.monotonic() - began)
        except (OSError, EOFError) as error:
            self.failures.append(error)
        connection.close()

    def wait_for(self, count):
        goal = len(self.statuses) + count
        until(lambda: len(self.statuses) >= goal or self.failures, f"{count} more answers")

    def stop(self):
        self.must_stop = True
        for thread in self.threads:
            thread.join()


@pytest.fixture
def load():
    yield from ended_after(Load)


def test_killed_paused_and_restarted_under_load(gateway, upstream, redis, load):
    """No request fails, none is refused for want of a store, and none waits for one that is silent: all that wait are decided here
    within the deadline and two ticks of the clock (13 ms), which is far below the second that a silent store is borne with."""
    store = redis()
    running = gateway(upstream(), limited(store.url, rate="1000000/s", burst=1000000))
    asking = load(running.port)
    until(lambda: decisions(running, "store") > 100, "the store decides")

    store.kill()
    until(lambda: running.has_said("until it answers each gateway limits by itself, to its share (1 of 1)"), "it is missed")
    asking.wait_for(200)
    before = decisions(running, "local")
    asking.wait_for(200)
    assert decisions(running, "local") > before and not is_up(running)

    store.start()
    until(lambda: asking.failures or is_up(running), "it is found again")
    before = decisions(running, "store")
    until(lambda: decisions(running, "store") > before + 100, "the store decides again")
    running.must_say("it answers again")

    store.pause()
    before = decisions(running, "local")
    until(lambda: decisions(running, "local") > before + 500, "requests are decided here")
    until(lambda: not is_up(running), "it is given up")
    store.go_on()
    until(lambda: is_up(running), "it is found again")
    before = decisions(running, "store")
    until(lambda: decisions(running, "store") > before + 100, "the store decides again")

    asking.stop()
    assert not asking.failures and set(asking.statuses) == {200}
    slowest = sorted(asking.seconds)[-max(1, len(asking.seconds) // 200):]
    assert slowest[0] < 0.5, slowest


def test_a_share_while_the_store_is_away(gateway, upstream, dns, client):
    """Four gateways are known by their name: each lets a quarter through."""
    dns.set("tasks.gateway", "127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4")
    running = gateway(upstream(), limited(f"redis://127.0.0.1:{free_port()}"), cluster={"peers": f"tasks.gateway:{free_port()}"},
                      dns={"servers": [f"127.0.0.1:{dns.port}"], "verify_service": "off", "refresh": "100ms"})
    until(lambda: len(running.admin("/cluster")["gateways"]) >= 4, "the others are known")
    connection = client(running)
    assert sum(connection.request().status == 200 for _ in range(60)) == 25
    assert decisions(running, "local") == 60


def test_a_reload_to_one_address_forgets_the_share(gateway, upstream, dns, client):
    """Nobody looks an address up, so nobody tells how many gateways the name before it had."""
    dns.set("tasks.gateway", "127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4")
    behind, port, admin_port = upstream(), free_port(), free_port()
    routes = limited(f"redis://127.0.0.1:{free_port()}", key="header:X-Api-Key")
    keys = {"admin": f"127.0.0.1:{admin_port}", "dns": {"servers": [f"127.0.0.1:{dns.port}"], "verify_service": "off", "refresh": "100ms"}}
    running = gateway(behind, routes, cluster={"peers": f"tasks.gateway:{port}"}, **keys)
    running.admin_port = admin_port
    until(lambda: len(running.admin("/cluster")["gateways"]) >= 4, "the others are known")
    connection = client(running)

    def allowed(key):
        return sum(connection.request(headers={"X-Api-Key": key}).status == 200 for _ in range(110))

    assert allowed("before") == 25
    running.configure(behind, routes, cluster={"peers": f"127.0.0.1:{admin_port}"}, **keys)
    assert "in use now" in running.reload()
    assert allowed("after") == 100


def test_a_name(gateway, upstream, redis, dns, client):
    """The resolver finds it; a first request finds a name that is known already."""
    store = redis()
    dns.set("redis.example", "127.0.0.1")
    running = gateway(upstream(), limited(f"redis://redis.example:{store.port}"), dns={"servers": [f"127.0.0.1:{dns.port}"], "refresh": "100ms"})
    connection = client(running)
    until(lambda: connection.request().status == 200 and decisions(running, "store") > 0, "the store decides")


def test_a_name_that_does_not_exist(gateway, upstream, dns, client):
    running = gateway(upstream(), limited("redis://nowhere.example"), dns={"servers": [f"127.0.0.1:{dns.port}"]})
    assert client(running).request().status == 200
    until(lambda: running.has_said("its name has no address"), "it is said")


def test_something_else_listens_there(gateway, upstream, client):
    """Whatever a server says that is none of Redis', requests are answered."""
    for words in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n" * 20, b"*99999999999\r\n", b"*-7\r\n", b"%9\r\n", b"$" + b"9" * 30, b"\0" * 70000, b"-ERR no\r\n", b":1\r\n", b""):
        listener = socket.create_server(("127.0.0.1", 0))
        held = []

        def serve():
            try:
                while True:
                    connection = listener.accept()[0]
                    held.append(connection)
                    connection.recv(65536)
                    connection.sendall(words)
                    if not words:
                        connection.close()
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        running = gateway(upstream(), limited(f"redis://127.0.0.1:{listener.getsockname()[1]}"))
        connection = client(running)
        assert [connection.request().status for _ in range(20)] == [200] * 20, words
        assert decisions(running, "store") == 0
        until(lambda: running.has_said("limits by itself"), f"it is said: {words[:20]}")
        connection.close()
        running.stop()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in held:
            one.close()


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's own memory is far larger")
def test_a_reply_that_announces_many_elements_takes_no_memory(gateway, upstream, client):
    """A worker that took it would stand still for seconds: no other of its clients would get an answer."""
    def announce(connection):
        while connection.more():
            connection.send(b"*200000000\r\n")

    store = upstream()
    store.serve = announce
    running = gateway(upstream(), limited(store.url.replace("http:", "redis:")))
    before = memory(running, "VmPeak")
    connection = client(running)
    assert connection.request().status == 200
    until(lambda: running.has_said("limits by itself"), "it is said")
    assert connection.request().status == 200
    assert memory(running, "VmPeak") < before + 2 ** 30, "eight bytes for each element are more"


def test_the_script_is_forgotten(gateway, upstream, redis, client):
    store = redis()
    running = gateway(upstream(), limited(store.url))
    connection = client(running)
    until(lambda: connection.request().status == 200 and decisions(running, "store") > 0, "the store decides")
    store.command("SCRIPT", "FLUSH")
    before = decisions(running, "store")
    until(lambda: connection.request().status in (200, 429) and decisions(running, "store") > before, "the store decides again")


def test_a_reload_that_brings_a_store(gateway, upstream, redis, client):
    """hiredis is opened then, by the control thread, inside the sandbox."""
    store, behind = redis(), upstream()
    running = gateway(behind)
    with open(f"/proc/{running.process.pid}/maps") as maps:
        assert "hiredis" not in maps.read()
    running.configure(behind, limited(store.url))
    assert "in use now" in running.reload()
    connection = client(running)
    until(lambda: connection.request().status == 200 and decisions(running, "store") > 0, "the store decides")


def test_what_the_file_may_say(gateway, upstream):
    behind = upstream()
    running = gateway(behind)
    for store, words in (("redis:6379", "only redis:// is known"), ("rediss://redis", "TLS is not supported"), ("redis://", "not a valid name"),
                         ("redis://a:0", "the port must be"), ("redis://a/x", "number of a database"), ("redis://u@a", "user:password"),
                         ("redis://:%zz@a", "percent-encoded"), ("redis://[::1", "is missing"), ("redis://a?x=1", "no query")):
        running.configure(behind, limited(store))
        assert words in running.reload(), store
