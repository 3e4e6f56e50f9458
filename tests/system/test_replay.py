"""gateway --replay: the command line, the gateway's own log, and what a million lines cost."""
import os
import resource
import subprocess

import pytest

from harness import free_port
from process import BINARY, IS_SANITIZED, run

CONFIG = """upstreams: { patient: { url: "http://tasks.patient:2222", breaker: { minimum_calls: 5 } } }
routes: [ { path: /patient, upstream: patient } ]
"""
LINE = ('{"time":"2026-11-29T20:%02d:%02d.%03dZ","client":"10.0.0.1","method":"GET","path":"/patient/7","route":"/patient",'
        '"upstream":"patient","endpoint":"10.0.1.2:2222","status":%d,"outcome":"%s","breaker":"closed","attempts":1,"bytes_in":0,'
        '"bytes_out":145,"duration_ms":%d.250,"connect_ms":null,"response_ms":null,'
        '"request_id":"0123456789abcdef0123456789abcdef","trace_id":null,"user_agent":"Mozilla/5.0 (X11; Linux x86_64)"}\n')


def line(at_ms, took_ms, is_fine):
    return LINE % (at_ms // 60000, at_ms // 1000 % 60, at_ms % 1000, 200 if is_fine else 503,
                   "answered" if is_fine else "response_timeout", took_ms)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "gateway.yml").write_text(CONFIG)
    log = tmp_path / "access.log"
    log.write_text("".join(line(10000 + i * 100, 50 if i < 20 or i > 60 else 5000, i < 20 or i > 60) for i in range(100)))
    return tmp_path


def test_the_table(files):
    done = run("--replay", "access.log", cwd=files)
    assert done.returncode == 0, done.stderr
    assert "100 lines: 100 calls; lines that are not calls: 0," in done.stdout
    own = next(row for row in done.stdout.splitlines() if row.startswith("  as in the file"))
    assert int(own.split()[4]) >= 1
    assert "failure_rate: 25%" in done.stdout
    assert "opens   2026-11-29T20:00:" in done.stdout


def test_where_the_file_is_named(files):
    (files / "gateway.yml").rename(files / "other.yml")
    for arguments in (["--replay", "access.log", "--config", "other.yml"], ["-c", "other.yml", "--replay", "access.log"]):
        assert run(*arguments, cwd=files).returncode == 0


def test_rotated_logs_and_a_pipe(files):
    text = (files / "access.log").read_text().splitlines(keepends=True)
    (files / "access.log.1").write_text("".join(text[:40]))
    (files / "access.log.2").write_text("".join(text[40:]))
    whole = run("--replay", "access.log", cwd=files).stdout
    assert run("--replay", "access.log.2", "access.log.1", cwd=files).stdout == whole
    piped = subprocess.run([BINARY, "--replay", "-"], cwd=files, input="".join(text), capture_output=True, text=True)
    assert piped.stdout == whole


def test_lines_that_are_none(files):
    log = files / "access.log"
    log.write_text(log.read_text() + '{"time":"2026-11-29T20:00:1\nnot a line\n\n' + line(1, 2, True)[:-30])
    done = run("--replay", "access.log", cwd=files)
    assert done.returncode == 0
    assert "103 lines: 100 calls; lines that are not calls: 0, of other upstreams: 0, unreadable: 3\n" in done.stdout


def test_a_single_call(files):
    (files / "access.log").write_text(line(1, 2, True))
    done = run("--replay", "access.log", cwd=files)
    assert done.stdout.startswith("1 line: 1 call; ")
    assert "\npatient: 1 call from " in done.stdout


def test_a_log_in_no_known_form(files):
    (files / "access.log").write_text("not a line\nnor this one\n")
    done = run("--replay", "access.log", cwd=files)
    assert done.returncode == 2
    assert "2 lines: 0 calls; " in done.stdout
    assert "no line of the log is readable: --replay takes the gateway's own JSON, or a log as nginx, Apache and Spring" in done.stderr


def test_what_it_can_not_read(files):
    assert run("--replay", cwd=files).returncode == 2
    assert run("--replay", "none.log", cwd=files).returncode == 1
    (files / "packed.log").write_bytes(b"\x1f\x8b\x08\x00")
    packed = run("--replay", "packed.log", cwd=files)
    assert packed.returncode == 1
    assert "zcat" in packed.stderr
    (files / "empty.log").write_text("")
    assert run("--replay", "empty.log", cwd=files).returncode == 2


def test_a_log_of_the_gateway_itself(gateway, upstream, client, files):
    """What the gateway writes, the replay reads: every line of a call."""
    started = gateway(upstream(), [{"path": "/patient", "upstream": "patient"}])
    connection = client(started)
    for _ in range(20):
        assert connection.request("GET", "/patient/7").status == 200
    assert connection.request("GET", "/nowhere").status == 404
    log = files / "own.log"
    started.log(21)
    log.write_text("".join(line.rstrip("\n") + "\n" for line in started.lines))
    done = run("--replay", str(log), "--config", started.file)
    assert done.returncode == 0, done.stderr
    assert "21 lines: 20 calls; lines that are not calls: 0, of other upstreams: 1, unreadable: 0\n" in done.stdout


def test_what_another_upstream_answered_was_a_failure_of_the_first(gateway, upstream, client, files):
    """Three calls fail, then the breaker is open: the log doesn't tell how the other seven would have ended."""
    started = gateway({"patient": {"url": f"http://127.0.0.1:{free_port()}", "retry": {"attempts": 0}, "ejection": "off",
                                   "breaker": {"minimum_calls": 3, "window": "60s", "open_for": "60s"}},
                       "spare": {"url": upstream().url}},
                      [{"path": "/patient", "upstream": "patient", "fallback": {"upstream": "spare"}}])
    connection = client(started)
    for _ in range(10):
        assert connection.request("GET", "/patient/7").status == 200
    started.log(10)
    log = files / "own.log"
    log.write_text("".join(line.rstrip("\n") + "\n" for line in started.lines))
    done = run("--replay", str(log), "--config", started.file)
    assert done.returncode == 0, done.stderr
    assert "10 lines: 20 calls; " in done.stdout and "calls followed by one of fallback.upstream, in the same line: 10\n" in done.stdout
    assert "  0 fine, 3 failed, 0 neutral, 7 with unknown result\n" in done.stdout
    assert "  10 fine, 0 failed, 0 neutral\n" in done.stdout


@pytest.mark.skipif(IS_SANITIZED, reason="measures speed")
def test_a_million_lines_in_two_seconds(files):
    """Of CPU time, which a busy machine changes little; the best of three."""
    block = "".join(line(i, 5 + i % 40, i % 3000 < 2600) for i in range(10000))
    log = files / "million.log"
    with open(log, "w", encoding="ascii") as file:
        for _ in range(100):
            file.write(block)
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run("--replay", str(log), cwd=files)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "1000000 lines: 1000000 calls" in done.stdout
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if seconds[-1] < 2:
            break
    os.unlink(log)
    print(f"{min(seconds):.2f} s")
    assert min(seconds) < 2, seconds
