"""The rights that the running gateway gave up, thread by thread as the kernel sees it; and that it does all its work without. (That
the filters refuse what they should is shown by tests/unit/test_syscall_filter.c; that nothing needs what they refuse by all other tests.)"""
import os
import signal
import socket
import subprocess

import pytest

from harness import Client, until
from process import BINARY, IS_SANITIZED, each

pytestmark = pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's runtime makes calls of its own: there is no sandbox")


def threads(running):
    """The fields of /proc/PID/task/*/status."""
    def fields(thread):
        with open(thread + "/status") as status:
            return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    return list(each(running.process, "task", fields))


def test_every_thread_has_given_up_what_it_does_not_need(gateway, upstream):
    running = gateway(upstream())
    until(lambda: [(one["Seccomp"], one["Seccomp_filters"], one["NoNewPrivs"]) for one in threads(running)] == 3 * [("2", "1", "1")],
          "the control thread and two workers")
    until(lambda: running.has_said("sandbox"))
    (line,) = [line for line in running.errors if "sandbox" in line]
    assert "system calls are filtered" in line and "Landlock" in line
    with open(f"/proc/{running.process.pid}/limits") as limits:
        assert any(line.split()[:5] == ["Max", "core", "file", "size", "0"] for line in limits)


def test_it_needs_no_docker_socket(gateway, upstream, dns):
    """Nor any other of this host's: whoever takes the gateway over has no engine to talk to. By the name of one of its own the
    health check finds it; that one is in a state that can't be connected."""
    behind = upstream()
    dns.set("tasks.patient", behind.address)
    running = gateway(f"http://tasks.patient:{behind.port}", dns={"servers": [f"127.0.0.1:{dns.port}"], "refresh": "100ms"})
    assert Client(running.port).request().status == 200
    dns.wait_for_more("tasks.patient", 3)
    held = set(each(running.process, "fd", os.readlink))
    with open(f"/proc/{running.process.pid}/net/unix") as unix:
        lines = [line.split() for line in unix]
    own = [line for line in lines if line[-1].startswith("@gateway/") and line[-1].endswith(f"/127.0.0.1:{running.admin_port}")]
    of_this_host = {f"socket:[{line[6]}]" for line in lines if line not in own}
    assert [line[3] for line in own] == ["00010000"], "it listens"
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(ConnectionRefusedError):
        probe.connect("\0" + own[0][-1][1:])
    assert any(name.startswith("socket:") for name in held) and not held & of_this_host


def test_it_can_be_off(gateway, upstream):
    running = gateway(upstream(), sandbox="off")
    assert all((one["Seccomp"], one["NoNewPrivs"]) == ("0", "0") for one in threads(running))
    running.must_say("sandbox: off")
    assert Client(running.port).request().status == 200


def test_a_reload_reads_what_it_needs(gateway, upstream, tmp_path):
    behind, shelf = upstream(), tmp_path / "fallbacks"
    shelf.mkdir()
    (shelf / "down.html").write_text("down")
    route = {"path": "/", "fallback": {"file": str(shelf / "down.html")}}
    running = gateway("http://127.0.0.1:9", [route])
    assert Client(running.port).request().body == b"down"
    (shelf / "other.html").write_text("other")
    route["fallback"]["file"] = str(shelf / "other.html")
    running.configure("http://127.0.0.1:9", [route])
    running.reload()
    until(lambda: Client(running.port).request().body == b"other", "the new file")
    running.configure(behind, [{"path": "/"}], access_log=str(tmp_path / "elsewhere.log"))
    running.reload()
    until(lambda: running.has_said("files in new directories need a restart)"), "the refused log")
    assert Client(running.port).request().status == 200


def test_a_folder_that_was_not_named_at_the_start(gateway, upstream, tmp_path):
    behind = upstream()
    running = gateway(behind)
    (tmp_path / "token").write_text("a-token-that-is-long-enough")
    running.configure(behind, admin={"listen": f"127.0.0.1:{running.admin_port}", "token_file": str(tmp_path / "token")})
    running.reload()
    until(lambda: running.has_said("reload: with the sandbox on, files in new directories need a restart"), "why the file can't be read")
    assert Client(running.port).request().status == 200


def test_a_log_in_a_folder_of_its_own_is_rotated(gateway, upstream, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    running = gateway(upstream(), access_log=str(logs / "access.log"))
    Client(running.port).request()
    until(lambda: (logs / "access.log").stat().st_size > 0, "a line")
    os.rename(logs / "access.log", logs / "access.log.1")
    running.signal(signal.SIGUSR1)
    until(lambda: (logs / "access.log").exists(), "the new file")
    Client(running.port).request()
    until(lambda: (logs / "access.log").stat().st_size > 0, "a line in it")


@pytest.mark.parametrize("tool", [("strace", "-D", "-f", "-o", "/dev/null"), ("valgrind", "--tool=none", "-q")], ids=lambda tool: tool[0])
def test_tools_that_look_at_calls_still_work(gateway, upstream, tool):
    if "Possibly corrupted debuginfo" in subprocess.run([*tool, BINARY, "--version"], capture_output=True, text=True).stderr:
        pytest.skip("this valgrind can't read what this compiler has written about lines")
    running = gateway(upstream(), prefix=tool)
    assert Client(running.port).request().status == 200
