"""Names and passwords: who is let through, what the others are told, and that checking a password holds nobody up."""
import base64
import ctypes
import os
import shutil
import threading
import time

import pytest

from harness import Client, until
from process import run

USERS = os.path.join(os.path.dirname(__file__), "..", "unit", "data", "users.htpasswd")
CRYPT = ctypes.CDLL("libcrypt.so.1")
CRYPT.crypt.restype = ctypes.c_char_p
# Some hundredths of a second each, so that one is surely under way while a test does something else.
SLOW = "$2y$10$abcdefghijklmnopqrstuu"


def hashed(password, setting="$2y$04$abcdefghijklmnopqrstuu"):
    return CRYPT.crypt(password.encode(), setting.encode()).decode()


def cpu_seconds(running):
    """Of all its threads (clock_getcpuclockid): what a busy machine does to the time that passes means nothing here."""
    return time.clock_gettime(~running.process.pid << 3 | 2)


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture
def users(tmp_path):
    """users(name=hash ...): writes the file and gives its path; without any, the file of the unit tests."""
    def write(**hashes):
        file = tmp_path / "users.htpasswd"
        if hashes:
            file.write_text("".join(f"{name}:{value}\n" for name, value in hashes.items()))
        else:
            shutil.copy(USERS, file)
        return str(file)

    return write


def guarded(file, **keys):
    return [{"path": "/", "auth": {"basic": {"file": file, **keys}}}]


def test_every_kind_of_hash(gateway, upstream, client, users):
    behind = upstream()
    running = gateway(behind, guarded(users()))
    connection = client(running)
    for name in ("alice", "bob", "carol", "dave", "erin", "frank"):
        assert connection.request(headers=basic(name, f"secret{name}")).status == 200, name
        assert connection.request(headers=basic(name, "secret")).status == 401, name
    assert [request.get("Authorization") for request in behind.requests] == [None] * 6


def test_what_the_others_are_told(gateway, upstream, client, users):
    behind = upstream()
    running = gateway(behind, guarded(users(bob=hashed("b")), realm="Ward 7"))
    connection = client(running)
    for headers in ({}, basic("bob", "wrong"), basic("nobody", "b"), basic("", "b"), {"Authorization": "Bearer x"},
                    {"Authorization": "Basic"}, {"Authorization": "Basic ####"}, {"Authorization": "Basic Ym9i"}):
        answer = connection.request(headers=headers)
        assert (answer.status, answer.get("WWW-Authenticate")) == (401, 'Basic realm="Ward 7", charset="UTF-8"'), headers
    assert connection.request(headers=basic("bob", "b")).status == 200
    assert len(behind.requests) == 1
    lines = running.log(9)
    assert {line["outcome"] for line in lines[:8]} == {"unauthorized"}
    assert not any("wrong" in line or "Ym9i" in line for line in running.lines + running.errors if "wrong name" not in line)


def test_two_sets_of_credentials(gateway, upstream, client, users):
    running = gateway(upstream(), guarded(users(bob=hashed("b"))))
    right, wrong = basic("bob", "b")["Authorization"], basic("eve", "e")["Authorization"]
    connection = client(running)
    assert connection.request(headers=[("Authorization", right), ("Authorization", wrong)]).status == 401
    assert connection.request(headers=[("Authorization", wrong), ("Authorization", right)]).status == 401


def test_other_spellings_do_not_reach_the_upstream(gateway, upstream, client, users):
    behind = upstream()
    running = gateway(behind, guarded(users(bob=hashed("b"))))
    headers = {"aUTHORIZATION": basic("bob", "b")["Authorization"], "Authorization_": "x", "authorization.": "y"}
    assert client(running).request(headers=headers).status == 200
    assert not [name for name in behind.requests[0].names() if "authorization" in name]


def test_the_body_waits(gateway, upstream, client, users):
    behind = upstream()
    running = gateway(behind, guarded(users(bob=hashed("b", SLOW))))
    connection = client(running)
    assert connection.request("POST", headers=basic("bob", "b"), body=b"x" * 200000).status == 200
    assert behind.requests[0].body == b"x" * 200000
    assert connection.request("POST", headers=basic("bob", "x"), body=b"x" * 1000).status == 401


def test_a_check_does_not_stall_others(gateway, upstream, users):
    """One worker; while passwords are checked, other requests of it are answered, as many as there may be."""
    running = gateway(upstream(), [*guarded(users(bob=hashed("b", SLOW))), {"path": "/open"}], workers=1)
    waiting = [Client(running.port, source=f"127.0.0.{2 + i}") for i in range(4)]
    for number, connection in enumerate(waiting):
        connection.ask(headers=basic("bob", f"wrong{number}"))
    other, served = Client(running.port), 0
    ended = threading.Event()
    last = threading.Thread(target=lambda: (waiting[-1].answer(), ended.set()))
    last.start()
    while not ended.is_set():
        assert other.request(target="/open").status == 200
        served += 1
    last.join()
    assert served > 20
    for connection in waiting[:-1]:
        assert connection.answer().status == 401
    for connection in [*waiting, other]:
        connection.close()


def test_what_was_found_out_is_remembered(gateway, upstream, client, users):
    """A hundred requests with the same password take far less than a hundred checks would."""
    running = gateway(upstream(), guarded(users(bob=hashed("b", SLOW))))
    connection = client(running)
    began = cpu_seconds(running)
    assert connection.request(headers=basic("bob", "b")).status == 200
    first = cpu_seconds(running) - began
    began = cpu_seconds(running)
    assert {connection.request(headers=basic("bob", "b")).status for _ in range(100)} == {200}
    assert cpu_seconds(running) - began < 50 * first


def test_a_full_queue_refuses_at_once(gateway, upstream, client, users):
    """Of one client eight may wait; others are still let in."""
    running = gateway(upstream(), guarded(users(bob=hashed("b", SLOW))))
    flood = [Client(running.port, source="127.0.0.2") for _ in range(20)]
    for number, connection in enumerate(flood):
        connection.ask(headers=basic("bob", f"wrong{number}"))
    answers = [connection.answer() for connection in flood]
    refused = [answer for answer in answers if answer.status == 503]
    assert {answer.status for answer in answers} == {401, 503} and len(refused) >= 8
    assert {answer.get("Retry-After") for answer in refused} == {"1"}
    assert client(running).request(headers=basic("bob", "b")).status == 200
    until(lambda: sum(line["outcome"] == "auth_unavailable" for line in running.log()) == len(refused), "all have their outcome")
    for connection in flood:
        connection.close()


def test_a_client_that_goes_away(gateway, upstream, client, users):
    running = gateway(upstream(), guarded(users(bob=hashed("b", SLOW))))
    for number in range(6):
        connection = Client(running.port)
        connection.ask(headers=basic("bob", f"wrong{number}"))
        connection.reset()
    assert client(running).request(headers=basic("bob", "b")).status == 200


def test_the_end_while_passwords_are_checked(gateway, upstream, users):
    """The fixture sees to it that the gateway ends in order."""
    running = gateway(upstream(), guarded(users(bob=hashed("b", "$2y$12$abcdefghijklmnopqrstuu"))), drain={"delay": "0s", "timeout": "10ms"})
    connections = [Client(running.port, source=f"127.0.0.{2 + i}") for i in range(6)]
    for number, connection in enumerate(connections):
        connection.ask(headers=basic("bob", f"wrong{number}"))
    running.stop()
    for connection in connections:
        connection.close()


def test_unknown_users_take_as_long(gateway, upstream, client, users):
    running = gateway(upstream(), guarded(users(bob=hashed("b", SLOW))))
    connection = client(running)

    def seconds(name):
        began = cpu_seconds(running)
        assert connection.request(headers=basic(name, os.urandom(4).hex())).status == 401
        return cpu_seconds(running) - began

    known, unknown = sum(seconds("bob") for _ in range(5)), sum(seconds(f"eve{i}") for i in range(5))
    assert known / 3 < unknown < known * 3, (known, unknown)


def test_the_file_is_read_again(gateway, upstream, client, users):
    behind = upstream()
    running = gateway(behind, guarded(users(bob=hashed("old"))))
    connection = client(running)
    assert connection.request(headers=basic("bob", "old")).status == 200
    users(bob=hashed("new"), eve=hashed("e"))
    assert "in use now" in running.reload()
    connection = client(running)
    until(lambda: connection.request(headers=basic("bob", "old")).status == 401, "the old password is remembered no more")
    assert connection.request(headers=basic("bob", "new")).status == 200
    assert connection.request(headers=basic("eve", "e")).status == 200
    users(bob="{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=")
    assert "crypt(3) does not know ({SHA}" in running.reload()
    assert client(running).request(headers=basic("eve", "e")).status == 200


def test_a_reload_that_brings_it(gateway, upstream, client, users):
    """The thread that checks passwords is started then, inside the sandbox."""
    behind, file = upstream(), users(bob=hashed("b"))
    running = gateway(behind)
    running.configure(behind, guarded(os.path.relpath(file, running.folder)))
    shutil.copy(file, running.folder)
    running.configure(behind, guarded("users.htpasswd"))
    assert "in use now" in running.reload()
    connection = client(running)
    until(lambda: connection.request().status == 401, "the route is guarded")
    assert connection.request(headers=basic("bob", "b")).status == 200


def test_attempts_count_for_a_limit(gateway, upstream, client, users):
    """Limits by client come first, so guessing passwords is limited, too."""
    route = dict(guarded(users(bob=hashed("b")))[0], rate_limit={"rate": "1/h", "burst": 2})
    running = gateway(upstream(), [route])
    connection = client(running)
    assert [connection.request(headers=basic("bob", f"{i}")).status for i in range(3)] == [401, 401, 429]


def test_nothing_secret_is_printed(users, tmp_path):
    file = users(bob=hashed("b"))
    (tmp_path / "gateway.yml").write_text(
        f"upstreams: {{ a: {{ url: 'http://127.0.0.1:1' }} }}\nroutes: [ {{ path: /, upstream: a, auth: {{ basic: {{ file: {file} }} }} }} ]\n")
    printed = run("--print-config", "--config", str(tmp_path / "gateway.yml"))
    assert printed.returncode == 0 and file in printed.stdout
    assert "$2y$" not in printed.stdout and "$$2y$$" not in printed.stdout


def test_what_the_file_may_say(users, tmp_path):
    def check(basic_keys, **hashes):
        file = users(**hashes) if hashes else None
        text = basic_keys.replace("FILE", file or "missing")
        (tmp_path / "gateway.yml").write_text(
            f"upstreams: {{ a: {{ url: 'http://127.0.0.1:1' }} }}\nroutes: [ {{ path: /, upstream: a, auth: {{ basic: {text} }} }} ]\n")
        done = run("--check", "--config", str(tmp_path / "gateway.yml"))
        return done.returncode, done.stdout + done.stderr

    assert check("{ file: FILE }", bob=hashed("b"))[0] == 0
    for keys, hashes, words in (("{ file: FILE }", {"bob": "$apr1$x$y"}, "htpasswd -B"), ("{ file: FILE }", {}, "can't read"),
                                ("{ realm: x }", {}, "basic has no file"), ("{ file: FILE, realm: 'a\"b' }", {"bob": hashed("b")}, "realm takes")):
        status, said = check(keys, **hashes)
        assert status == 2 and words in said, said
