"""SIGHUP: a new configuration for new requests, nothing lost, and a bad file changes nothing."""
import json
import os
import pathlib
import signal
import socket
import threading
import time

from harness import failing, free_port, plain, until

FALLBACK = "Patient information is currently unavailable\n"


def named(name):
    return lambda connection, request: connection.reply(body=name)


def test_a_new_file_is_followed(gateway, upstream, client):
    one, two = upstream(named(b"one")), upstream(named(b"two"))
    started = gateway(one)
    connection = client(started)
    assert connection.request().body == b"one"
    started.configure(two)
    started.signal(signal.SIGHUP)
    until(lambda: connection.request().body == b"two", "the new upstream")
    started.configure({"patient": two}, [{"path": "/only", "upstream": "patient"}])
    started.signal(signal.SIGHUP)
    until(lambda: connection.request().status == 404, "the new routes")
    assert connection.request(target="/only/7").body == b"two"


def test_a_bad_file_changes_nothing(gateway, upstream, client):
    behind = upstream()
    started = gateway(behind)
    connection = client(started)
    for text in ("routes: [", "listen: 99999\n", "", "rutes: []\n"):
        before = len(started.errors)
        started.write(text)
        started.signal(signal.SIGHUP)
        until(lambda: "gateway.yml" in "".join(started.errors[before:]), "a complaint")
        assert connection.request().status == 200
    started.configure(behind)
    started.signal(signal.SIGHUP)
    assert connection.request().status == 200


def test_a_file_that_became_a_pipe_is_not_waited_for(gateway, upstream, client):
    """Opening the pipe would wait for a writer: no admin page any more, and no end but SIGKILL."""
    started = gateway(upstream())
    os.remove(started.file)
    os.mkfifo(started.file)
    assert "can't read it again" in started.reload()
    assert started.ask_admin("/livez")[0] == 200 and client(started).request().status == 200


def test_the_log_says_with_every_reload_which_changes_need_a_restart(gateway, upstream):
    behind = upstream()
    started = gateway(behind)
    port = started.port

    def warns():
        before, taken = len(started.errors), sum("is in use now" in line for line in started.errors)
        started.configure(behind)
        started.signal(signal.SIGHUP)
        until(lambda: sum("is in use now" in line for line in list(started.errors)) > taken, "the reload")
        return any("listen has changed" in line for line in started.errors[before:])

    assert not warns()
    started.port = free_port()
    assert warns() and warns()
    started.port = port
    assert not warns()


def test_an_expression_that_comes_with_a_reload(gateway, upstream, client):
    """Its library is opened under the sandbox."""
    behind = upstream()
    started = gateway(behind)
    started.configure(behind, [{"path": "/", "rewrite": {"regex": "^/a/(?<rest>.*)", "replacement": "/b/${rest}"}}])
    assert "is in use now" in started.reload()
    until(lambda: client(started).request(target="/a/x").status == 200 and behind.requests[-1].target == "/b/x", "the reload")
    assert "[[RewritePath ^/a/(?<rest>.*) = '/b/${rest}'], order = " in started.ask_admin("/actuator/gateway/routes")[2]


def test_requests_under_way_keep_what_they_began_with(gateway, upstream, client):
    release = threading.Event()

    def held(connection, request):
        release.wait(30)
        connection.reply(body=b"one")

    one, two = upstream(held), upstream(named(b"two"))
    started = gateway(one)
    waiting = client(started)
    waiting.ask()
    one.wait_for(1)
    started.configure(two)
    started.signal(signal.SIGHUP)
    probe = client(started)
    one.handler = named(b"old")
    until(lambda: probe.request().body == b"two", "the reload")
    release.set()
    response = waiting.answer()
    assert response.body == b"one" and response.get("Connection") is None
    until(lambda: waiting.request().body == b"two", "the same connection, the new configuration")


def test_a_storm_of_reloads_loses_nothing(gateway, upstream, client, tmp_path):
    """The log goes to a file: of a pipe whose reader is as slow as this process may be lines would be dropped, and counted."""
    behind = upstream(plain)
    log = str(tmp_path / "access.log")
    started = gateway(behind, workers=2, access_log=log)
    over, failures, counts = threading.Event(), [], []

    def ask(connection):
        count = 0
        try:
            while not over.is_set():
                response = connection.request("POST", body=b"hello")
                if response.status != 200 or response.get("Connection") is not None:
                    failures.append(response)
                count += 1
        except (OSError, EOFError) as error:
            failures.append(error)
        counts.append(count)

    connections = [client(started) for _ in range(4)]
    threads = [threading.Thread(target=ask, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for number in range(100):
        reached = len(behind.requests)
        started.configure(behind, [{"path": "/", "fallback": f"number {number}"}], access_log=log)
        started.signal(signal.SIGHUP)
        until(lambda: len(behind.requests) >= reached + 5 or failures, "requests between two reloads")
    over.set()
    for thread in threads:
        thread.join(20)
    assert not failures and sum(counts) == len(behind.requests)
    for connection in connections:
        connection.close()
    started.stop()
    with open(log) as lines:
        assert len([json.loads(line) for line in lines]) == sum(counts)


def test_an_access_log_that_could_not_be_opened_is_tried_again(gateway, upstream, client, tmp_path):
    behind = upstream()
    folder, keys = tmp_path / "logs", {"sandbox": "off", "access_log": str(tmp_path / "logs" / "access.log")}
    started = gateway(behind, sandbox="off")
    started.configure(behind, **keys)
    started.reload()
    until(lambda: started.has_said("can't open") and started.has_said("is in use now"), "the reload")
    os.mkdir(folder)
    started.signal(signal.SIGHUP)
    until(lambda: (folder / "access.log").exists(), "the access log")
    client(started).request()
    until(lambda: (folder / "access.log").read_text().count("\n") == 1, "a line in it")


def test_a_breaker_survives_under_its_name(gateway, upstream, client):
    behind = upstream(failing)

    def keys(open_for="60s"):
        return {"patient": {"url": behind, "retry": {"attempts": 0}, "breaker": {"minimum_calls": 5, "open_for": open_for}}}

    started = gateway(keys(), [{"path": "/", "fallback": FALLBACK}])
    connection = client(started)
    for _ in range(5):
        connection.request()
    until(lambda: connection.request().body == FALLBACK.encode(), "open")
    reached = len(behind.requests)
    started.configure(keys(), [{"path": "/", "fallback": "another text"}])
    started.signal(signal.SIGHUP)
    until(lambda: connection.request().body == b"another text\n", "the reload")
    assert len(behind.requests) == reached


def test_the_connections_to_an_upstream_stay(gateway, upstream, client):
    behind = upstream()
    started = gateway(behind, [{"path": "/"}], workers=1)
    connection = client(started)
    connection.request()
    started.configure(behind, [{"path": "/", "response_headers": {"set": {"X-New": "1"}}}], workers=1)
    started.signal(signal.SIGHUP)
    until(lambda: connection.request().get("X-New") == "1", "the reload")
    assert len(behind.connections) == 1


def test_the_service_manager_hears_of_each_reload_and_its_end(gateway, upstream, tmp_path):
    """Also of one that fails: it would else wait for a READY that never comes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.settimeout(60)
        started = gateway(upstream(), env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "manager")})

        def heard():
            return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())

        assert heard() == {"READY": "1"}
        for text in (None, "nonsense: [\n"):
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            if text is not None:
                pathlib.Path(started.file).write_text(text)
            started.signal(signal.SIGHUP)
            told = heard()
            assert told["RELOADING"] == "1" and int(told["MONOTONIC_USEC"]) >= before
            assert heard() == {"READY": "1"}
        started.process.terminate()
        assert heard() == {"STOPPING": "1"}
