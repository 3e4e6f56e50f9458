"""When a kernel or a container refuses a call, the gateway finds another way."""
import ctypes
import os
import subprocess
import sys
import threading

import pytest

import harness
from harness import Client, until
from process import BINARY, IS_SANITIZED

REFUSE = os.path.join(os.path.dirname(os.path.abspath(harness.__file__)), "refuse.py")


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EOPNOTSUPP"])
def test_large_responses_without_splice(gateway, upstream, error):
    body = os.urandom(1 << 20) * 8
    started = gateway(upstream(lambda connection, request: connection.reply(200, body)),
                      prefix=(sys.executable, REFUSE, "splice", error), workers=1)
    for _ in range(3):
        client = Client(started.port, receive_buffer=65536)
        assert client.request().body == body
        client.close()
    assert {line["outcome"] for line in started.log(3)} == {"answered"}
    assert sum("refuses splice" in line for line in started.errors) == 1


@pytest.mark.parametrize("error", ["ENOPROTOOPT", "EPERM"])
def test_workers_share_a_listening_socket_where_each_may_not_have_its_own(gateway, upstream, error):
    together = threading.Barrier(6)

    def answer(connection, request):
        together.wait(30)
        connection.reply()

    started = gateway(upstream(answer), prefix=(sys.executable, REFUSE, "reuseport", error), workers=2)
    started.must_say("refuses SO_REUSEPORT")
    clients = [Client(started.port) for _ in range(6)]
    for client in clients:
        client.ask()
    for client in clients:
        assert client.answer().status == 200
        client.close()
    assert len(started.log(6)) == 6


@pytest.mark.skipif(IS_SANITIZED, reason="such a build has no sandbox")
@pytest.mark.parametrize("what, error, said", [
    ("seccomp", "ENOSYS", "system calls are not filtered (this kernel can't)"),
    ("seccomp", "EPERM", "system calls are not filtered (this kernel can't)"),
    ("landlock", "ENOSYS", "file access is not restricted (this kernel has no Landlock)"),
    ("landlock", "EOPNOTSUPP", "file access is not restricted (this kernel has no Landlock)"),
    ("landlock_restrict", "EPERM", "file access is not restricted (the kernel refuses Landlock: Operation not permitted)"),
    ("no_new_privs", "EINVAL", "refuses PR_SET_NO_NEW_PRIVS"),
    ("core_limit", "EPERM", "core dumps are possible (Operation not permitted)"),
])
def test_the_log_tells_what_is_missing_of_the_sandbox(gateway, upstream, client, what, error, said):
    if what == "landlock_restrict" and not has_landlock():
        pytest.skip("this kernel has no Landlock to refuse")
    started = gateway(upstream(), prefix=(sys.executable, REFUSE, what, error))
    assert client(started).request().status == 200
    until(lambda: started.has_said(said), "what is missing")
    line, = (line for line in started.errors if "sandbox: " in line)
    assert ("no new privileges" in line) == (what != "no_new_privs")
    assert ("system calls are filtered" in line) == (what not in ("seccomp", "no_new_privs"))
    assert ("file access is restricted (Landlock" in line) == (has_landlock() and not what.startswith(("landlock", "no_new")))
    assert ("no core dumps" in line) == (what != "core_limit")


def has_landlock():
    """The number of its version is asked for."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


@pytest.mark.parametrize("what, error", [("defer_accept", "ENOPROTOOPT"), ("defer_accept", "EPERM"), ("ipv6", "EAFNOSUPPORT")])
def test_what_is_refused_at_sockets_is_done_without(gateway, upstream, client, what, error):
    started = gateway(upstream(), prefix=(sys.executable, REFUSE, what, error))
    silent = client(started)  # accepted before it has said anything
    assert client(started).request().status == 200
    assert silent.request().status == 200
    assert client(started).request().status == 200


def test_a_kernel_without_ipv6_is_named(gateway, upstream, tmp_path):
    file = tmp_path / "gateway.yml"
    file.write_text("listen: '[::]:18099'\nupstreams: { a: { url: 'http://127.0.0.1:9' } }\nroutes: [{ path: /, upstream: a }]\n")
    done = subprocess.run([sys.executable, REFUSE, "ipv6", "EAFNOSUPPORT", BINARY, file], capture_output=True, text=True)
    assert done.returncode == 1 and "can't listen on [::]:18099" in done.stderr and "this kernel has no IPv6" in done.stderr


@pytest.mark.parametrize("error, outcome, state", [("EADDRNOTAVAIL", "no_free_port", "CLOSED"), ("EACCES", "connect_failed", "OPEN")])
def test_a_lack_of_local_ports_is_not_the_upstreams_fault(gateway, upstream, client, error, outcome, state):
    started = gateway({"patient": {"url": upstream().url, "breaker": {"minimum_calls": 5}, "ejection": {"consecutive_failures": 5}}},
                      prefix=(sys.executable, REFUSE, "connect", error))
    for _ in range(5):
        assert client(started).request("POST", body=b"x").status == 503
    assert {line["outcome"] for line in started.log(5)} == {outcome}
    assert started.breaker()["state"] == state
    assert started.metrics().sum("gateway_requests_total", outcome=outcome) == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take /proc away")
@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's runtime reads /proc itself")
def test_without_proc(gateway, upstream, client):
    hide = "mount -t tmpfs none /proc && exec \"$@\""
    started = gateway(upstream(), prefix=("unshare", "--mount", "sh", "-c", hide, "sh"))
    assert client(started).request().status == 200
    assert started.ask_admin("/livez")[0] == 200
    assert started.metrics().sum("gateway_build_info") == 1
    assert started.reload() and client(started).request().status == 200
