"""One line for each request, whatever became of it, that nobody can forge."""
import itertools
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time

import pytest

from harness import GUARD, free_port, until
from process import BINARY

KEYS = {"time", "client", "method", "path", "route", "upstream", "endpoint", "status", "outcome", "breaker", "attempts",
        "bytes_in", "bytes_out", "duration_ms", "connect_ms", "response_ms", "request_id", "trace_id", "user_agent"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_fields_of_a_line(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(201, b"created"))
    started = gateway(behind, [{"path": "/patient"}])
    client(started).request("POST", "/patient/7?x=1", body=b"hello", headers={
        "User-Agent": "test/1.0", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    (line,) = started.log(1)
    assert KEYS <= line.keys()
    for key, value in {"client": "127.0.0.1", "method": "POST", "path": "/patient/7?x=1", "route": "/patient",
                       "upstream": "patient", "endpoint": f"127.0.0.1:{behind.port}", "status": 201, "outcome": "answered",
                       "breaker": "closed", "attempts": 1, "bytes_in": 5, "bytes_out": 7, "user_agent": "test/1.0",
                       "trace_id": TRACE}.items():
        assert (key, line[key]) == (key, value)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", line["time"])
    assert 0 <= line["connect_ms"] <= line["response_ms"] <= line["duration_ms"] < 10_000


def test_one_line_for_each_request_in_order(gateway, upstream, client):
    started = gateway(upstream(), workers=1)
    connection = client(started)
    for number in range(200):
        connection.request(target=f"/{number}")
    assert [line["path"] for line in started.log(200)] == [f"/{number}" for number in range(200)]
    started.stop()
    assert len(started.lines) == 200


@pytest.mark.parametrize("sent,status,outcome", [
    (b"GET / HTTP/1.1\r\n\r\n", 400, "request_refused"),
    (b"nonsense\r\n\r\n", 400, "request_refused"),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX y\r\n\r\n", 400, "request_refused"),
    (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 414, "request_refused"),
])
def test_refused_requests_have_a_line(gateway, upstream, client, sent, status, outcome):
    started = gateway(upstream())
    connection = client(started)
    connection.send(sent)
    connection.answer()
    (line,) = started.log(1)
    assert KEYS <= line.keys() and (line["status"], line["outcome"]) == (status, outcome)
    assert line["attempts"] == 0 and line["upstream"] is None


def test_a_client_that_leaves_in_mid_head_has_a_line(gateway, upstream, client):
    started = gateway(upstream())
    connection = client(started)
    connection.send(b"GET /half HTTP/1.1\r\nHo")
    connection.close()
    assert started.log(1)[0]["outcome"] == "client_aborted"


def test_a_connection_without_a_request_has_none(gateway, upstream, client):
    started = gateway(upstream())
    client(started).close()
    client(started).request(target="/real")
    started.stop()
    assert [line["path"] for line in started.log()] == ["/real"]


HOSTILE = 'a"b\\c</script>\xff\xe2\x80\xa8\x80{"status":200}'


@pytest.mark.parametrize("form", ["json", "combined"])
def test_nothing_a_client_sends_breaks_the_line(gateway, upstream, client, form):
    started = gateway(upstream(), access_log={"to": "stdout", "format": form})
    client(started).request(target="/%22%0a%5c", headers={"User-Agent": HOSTILE, "Referer": HOSTILE})
    until(lambda: started.lines, "a line")
    (line,) = started.lines
    assert all(" " <= byte <= "~" for byte in line.rstrip("\n"))
    if form == "json":
        assert json.loads(line)["path"] == "/%22%0a%5c"
        assert json.loads(line)["user_agent"].startswith('a"b\\c</script>')
    else:
        assert len(re.findall(r'(?<!\\)"', line)) == 6


@pytest.mark.parametrize("id,is_kept", [
    ("a-1_b.C", True), ('a","status":0,"b":"', False), ("a\\", False), ("caf\xe9", False), ("a b", False), ("x" * 200, False)])
def test_not_even_a_trusted_proxy_forges_a_line(gateway, upstream, client, id, is_kept):
    """Its request id and the client it names stand in the log as they came: only what can't be taken for anything else does."""
    behind = upstream()
    started = gateway(behind, trusted_proxies=["127.0.0.0/8"])
    client(started).request(headers={"X-Request-Id": id, "X-Forwarded-For": '6.6.6.6","status":0,"b":"',
                                     "traceparent": '00-4bf92f3577b34da6a3ce929d0e"e4736-00f067aa0ba902b7-01'})
    (line,) = started.log(1)
    assert set(line) == KEYS and line["client"] == "127.0.0.1" and line["status"] == 200
    assert (line["request_id"] == id) == is_kept and line["request_id"] == behind.requests[0].get("X-Request-Id")
    assert started.lines[0].isascii() and started.lines[0][:-1].isprintable()


def test_combined(gateway, upstream, client):
    started = gateway(upstream(), access_log={"to": "stdout", "format": "combined"})
    client(started).request(target="/patient?x=1", headers={"User-Agent": "test/1.0", "Referer": "http://before.example/"})
    until(lambda: started.lines, "a line")
    assert re.match(r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /patient\?x=1 HTTP/1\.1" '
                    r'200 2 "http://before\.example/" "test/1\.0"\n$', started.lines[0])


def lines_of(file):
    return file.read_text().splitlines() if file.exists() else []


def test_a_file_is_reopened_on_sigusr1(gateway, upstream, client, tmp_path):
    file = tmp_path / "access.log"
    started = gateway(upstream(), access_log=str(file))
    connection = client(started)
    connection.request(target="/before")
    until(lambda: len(lines_of(file)) == 1, "a line")
    rotated = tmp_path / "access.log.1"
    os.rename(file, rotated)
    started.signal(signal.SIGUSR1)
    until(file.exists, "a new file")
    until(lambda: connection.request(target="/after") and lines_of(file), "a line in the new file")
    assert json.loads(lines_of(file)[-1])["path"] == "/after"
    assert json.loads(lines_of(rotated)[0])["path"] == "/before"
    assert started.lines == []


def paths_in(*files):
    return [json.loads(line)["path"] for file in files for line in lines_of(file)]


def short_of_descriptors(started):
    """Allows its next descriptor and no more; gives what was allowed before."""
    pid = started.process.pid
    free = next(number for number in itertools.count() if not os.path.exists(f"/proc/{pid}/fd/{number}"))
    return resource.prlimit(pid, resource.RLIMIT_NOFILE, (free + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def test_a_rotation_while_descriptors_are_short_splits_nothing(gateway, upstream, client, tmp_path):
    """Each of four workers opens the log, and there is a descriptor for one of them. All go on with the old file until all
    can have the new one, without another signal."""
    file, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    started = gateway(upstream(), access_log=str(file), workers=4)
    connections = [client(started) for _ in range(40)]  # the kernel spreads them over the workers
    for number, connection in enumerate(connections):
        connection.request(target=f"/before/{number}")
    os.rename(file, rotated)
    before = short_of_descriptors(started)
    started.signal(signal.SIGUSR1)
    until(lambda: started.has_said("can't open"), "that it can't be opened")
    for number, connection in enumerate(connections):
        connection.request(target=f"/short/{number}")
    until(lambda: len(paths_in(rotated)) == 80, "all lines in the old file")
    assert lines_of(file) == []
    resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE, before)
    until(lambda: started.has_said("is open"), "that it is open")
    for number, connection in enumerate(connections):
        connection.request(target=f"/after/{number}")
    until(lambda: len(paths_in(file)) == 40, "all lines in the new file")
    assert sorted(paths_in(file)) == sorted(f"/after/{number}" for number in range(40))
    assert len(paths_in(rotated)) == 80 and started.stderr.count("access log: can't open") == 1


def test_lines_of_a_deleted_log_wait_for_the_next_file(gateway, upstream, client, tmp_path):
    """No line goes into a file that logrotate deleted before the new one was open; the gateway counts those without room."""
    file = tmp_path / "access.log"
    started = gateway(upstream(), access_log=str(file), workers=1)
    connection = client(started)
    connection.request(target="/before")
    until(lambda: len(lines_of(file)) == 1, "a line")
    before = short_of_descriptors(started)
    resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    os.unlink(file)
    started.signal(signal.SIGUSR1)
    until(lambda: started.has_said("can't open"), "that it can't be opened")
    for number in range(200):
        connection.request(target=f"/{number}/" + "x" * 1000)
    resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE, before)
    until(lambda: started.has_said("is open"), "that it is open")
    connection.request(target="/last")
    until(lambda: "/last" in paths_in(file), "the last line")
    lost = started.metrics().sum("gateway_log_lines_lost_total")
    assert len(lines_of(file)) + lost == 201 and 0 < lost < 200


def test_off(gateway, upstream, client):
    started = gateway(upstream(), access_log="off")
    client(started).request()
    started.stop()
    assert started.lines == []


def test_a_reader_that_stops_reading_holds_nobody_up(gateway, upstream, client, tmp_path):
    """The log goes to a pipe that nobody empties: lines are dropped, requests are not."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        started = gateway(upstream(), access_log=str(pipe))
        connection = client(started)
        for _ in range(1000):
            assert connection.request(target="/" + "a" * 1000).status == 200
    finally:
        os.close(reader)
    assert connection.request().status == 200


def test_nobody_waits_for_the_reader_of_the_outputs(gateway, upstream, client):
    """Neither a worker nor the control thread, and neither for the access log nor for the diagnostics."""
    started = gateway(upstream(), workers=1, limits={"connections_per_client": 1})
    connection = client(started)
    assert connection.request().status == 200
    started.stop_reading()
    client(started).ask()
    until(lambda: started.metrics().sum("gateway_connections_shed_total") == 1, "one too many: a worker has something to say")
    started.signal(signal.SIGHUP)
    until(lambda: started.metrics().sum("gateway_reloads_total") == 1, "so has the control thread")
    started.write("".join(f"unknown_{number}: 1\n" for number in range(200)))
    started.signal(signal.SIGHUP)
    until(lambda: started.metrics().sum("gateway_reloads_total", result="refused") == 1, "and a lot about a bad file")
    for _ in range(100):
        assert connection.request(target="/" + "a" * 1000).status == 200
    assert started.metrics().sum("gateway_log_lines_lost_total") > 0
    started.go_on_reading()

    def says_what_was_lost():  # with its next words that there is room for
        started.signal(signal.SIGHUP)
        return started.has_said("lines of this log were lost")

    until(says_what_was_lost, "how many diagnostics were lost")


SILENT_JOURNAL = """import os, socket, sys
ours, theirs = socket.socketpair()
theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
ours.set_inheritable(True)
os.dup2(theirs.fileno(), 1)
os.execv(sys.argv[1], sys.argv[1:])"""


def test_a_journal_that_takes_nothing_holds_nobody_up(gateway, upstream, client):
    """systemd gives a service a socket, which can't be opened anew so that it does not wait."""
    started = gateway(upstream(), prefix=(sys.executable, "-c", SILENT_JOURNAL))
    connection = client(started)
    for _ in range(200):
        assert connection.request(target="/" + "a" * 1000).status == 200
    assert started.metrics().sum("gateway_log_lines_lost_total") > 0


def test_no_start_without_its_log(tmp_path):
    """One line for every request, always: who asked for a file and can't have it is told before there are requests."""
    file = tmp_path / "gateway.yml"
    file.write_text(json.dumps({"listen": f"127.0.0.1:{free_port()}", "admin": "off", "access_log": "/nowhere/access.log",
                                "upstreams": {"patient": {"url": "http://127.0.0.1:1"}}, "routes": [{"path": "/", "upstream": "patient"}]}))
    done = subprocess.run([BINARY, "--config", file], capture_output=True, text=True, timeout=GUARD)
    assert done.returncode == 1
    assert "access log: can't open /nowhere/access.log: No such file or directory" in done.stderr
    assert "ready" not in done.stderr


def is_taken(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_descriptors_closed_at_the_start_are_not_logged_into(gateway, upstream, client):
    """Else the lowest descriptors are sockets and pipes of its own, and the log is written to them."""
    behind = upstream()
    started = gateway(behind)
    started.port, started.admin_port = free_port(), free_port()
    started.configure(behind)
    closed = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", BINARY, "--config", started.file])
    try:
        until(lambda: is_taken(started.port), "it listens")
        for number in range(3):
            assert os.readlink(f"/proc/{closed.pid}/fd/{number}") == "/dev/null"
        assert client(started).request().body == b"ok"
    finally:
        closed.terminate()
        assert closed.wait(GUARD) == 0


def test_a_file_is_shared_with_the_script_that_starts_the_gateway(tmp_path):
    """Its lines before and after, and those of the gateway, in their order, though both outputs are one file."""
    with socket.socket() as taken, open(tmp_path / "log", "w") as log:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (tmp_path / "gateway.yml").write_text(f"listen: 127.0.0.1:{taken.getsockname()[1]}\nadmin: off\n"
                                              "upstreams: { a: { url: 'http://127.0.0.1:9' } }\nroutes: [{ path: /, upstream: a }]\n")
        subprocess.run(["sh", "-c", f"echo before; {BINARY} --config {tmp_path}/gateway.yml || echo after; {BINARY} --version; echo end"],
                       stdout=log, stderr=subprocess.STDOUT)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0] == "before" and "error" in lines[1] and lines[-1] == "end"
    after = lines.index("after")
    assert after > 1 and lines[after + 1].startswith("gateway "), lines


def test_a_file_that_a_rotation_cuts_goes_on_at_its_beginning(gateway, upstream, client, tmp_path):
    with open(tmp_path / "access.log", "w") as log:
        started = gateway(upstream(), prefix=("sh", "-c", f"exec \"$@\" > {log.name}", "sh"))
    for count in (1, 2):
        assert client(started).request().status == 200
        until(lambda: os.path.getsize(tmp_path / "access.log") > 0, "the line is in the file")
        with open(tmp_path / "access.log", "r+") as log:
            line = log.read()
            log.truncate(0)
        assert json.loads(line)["status"] == 200


def test_an_upgrade_has_its_line_when_it_ends(gateway, upstream, client):
    def answer(connection, request):
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        connection.send(connection.read(5))

    started = gateway(upstream(answer))
    connection = client(started)
    connection.ask(headers={"Connection": "Upgrade", "Upgrade": "x"})
    assert connection.answer().status == 101
    connection.send(b"hello")
    assert connection.read(5) == b"hello"
    connection.socket.shutdown(socket.SHUT_RDWR)
    (line,) = started.log(1)
    assert (line["status"], line["outcome"]) == (101, "upgraded")


@pytest.mark.parametrize("when,logged", [("all", ["/well", "/missing", "/broken", "/nowhere"]),
                                         ("failures", ["/broken", "/nowhere"]),
                                         ("1h", ["/broken", "/nowhere"])])
def test_when_says_which_requests_have_a_line(gateway, upstream, client, when, logged):
    def handler(connection, request):
        connection.reply({"/missing": 404, "/broken": 500}.get(request.target, 200))

    routes = [{"path": path} for path in ("/well", "/missing", "/broken")]
    started = gateway(upstream(handler), routes, workers=1, access_log={"when": when})
    connection = client(started)
    for path in ("/well", "/missing", "/broken", "/nowhere"):
        connection.request(target=path)
    started.stop()
    assert [line["path"] for line in started.log()] == logged


def test_when_a_duration_logs_what_took_longer(gateway, upstream, client):
    held = []
    started = gateway(upstream(lambda connection, request: held.append(connection)), access_log={"when": "50ms"})
    connection = client(started)
    connection.ask(target="/slow")
    until(lambda: held, "the request at the upstream")
    time.sleep(0.05)
    held[0].reply()
    connection.answer()
    assert [line["path"] for line in started.log(1)] == ["/slow"]


def test_when_can_be_changed_by_a_reload(gateway, upstream, client):
    behind = upstream()
    started = gateway(behind, workers=1, access_log={"when": "failures"})
    client(started).request(target="/silent")
    started.configure(behind, workers=1, access_log={"when": "all"})
    started.reload()
    client(started).request(target="/loud")
    assert [line["path"] for line in started.log(1)] == ["/loud"]
