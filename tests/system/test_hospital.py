"""The example services of deploy/hospital: their end, their database, and what they say to HEAD; and the lab's database."""
import os
import signal
import socket
import struct
import subprocess
import threading

import pytest

from harness import BUILD, GUARD, ROOT, Client, free_port, until


class Service:
    def __init__(self, folder, database=None, name="patient"):
        self.port, self.path = free_port(), folder / "said"
        environment = {"DATABASE_URL": database or "off", "KAFKA_BROKERS": "off"}
        with open(self.path, "w") as said:
            self.process = subprocess.Popen([f"{BUILD}/hospital/service", "--name", name, "--listen", f"127.0.0.1:{self.port}"],
                                            env=dict(os.environ, **environment), stdout=said, stderr=said)

    @property
    def said(self):
        return self.path.read_text()

    def must_say(self, words):
        until(lambda: words in self.said, f"the service says: {words}")

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def service(tmp_path):
    """service(database=): a service of the hospital that runs."""
    started = []

    def make(*arguments, **options):
        started.append(Service(tmp_path, *arguments, **options))
        return started[-1]
    yield make
    for one in started:
        one.end()


class Database:
    """As much of MariaDB's protocol as a service needs: every statement succeeds, SELECT has the row 1. With `refusal` nobody
    gets in."""

    def __init__(self):
        self.statements, self.refusal, self.refused = [], None, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connected,), daemon=True).start()

    def serve(self, connected):
        with connected, connected.makefile("rb") as source:
            def send(*packets, number):
                for at, packet in enumerate(packets, number):
                    connected.sendall(struct.pack("<I", len(packet))[:3] + bytes([at % 256]) + packet)

            ok, end = b"\0\0\0\2\0\0\0", b"\xfe\0\0\2\0"
            if self.refusal:
                send(b"\xff" + struct.pack("<H", 1045) + b"#28000" + self.refusal.encode(), number=0)
                self.refused += 1
                return
            send(b"\x0a5.5.5-10.11.0-MariaDB\0" + bytes(4) + b"12345678\0" + struct.pack("<HBHHB", 0xa208, 45, 2, 8, 21) +
                 bytes(10) + b"123456789012\0mysql_native_password\0", number=0)
            self.take(source)
            send(ok, number=2)
            while (asked := self.take(source)) and asked[0] == 3:
                self.statements.append(asked[1:].decode())
                column = b"\3def\0\0\0\1a\0\x0c" + struct.pack("<HIBHBH", 45, 4, 253, 0, 0, 0)
                send(*([b"\1", column, end, b"\1" b"1", end] if asked[1:7] == b"SELECT" else [ok]), number=1)

    @staticmethod
    def take(source):
        head = source.read(4)
        return source.read(int.from_bytes(head[:3], "little")) if len(head) == 4 else b""

    def url(self, password="hospital"):
        return f"mysql://patient:{password}@127.0.0.1:{self.port}/patient_db"


@pytest.fixture
def database():
    one = Database()
    yield one
    one.listener.close()


# ---- the end -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_while_its_database_is_away(service, number):
    """As the first process of a container it would not get a signal for which it has no handler: the kernel drops it."""
    started = service(f"mysql://patient:hospital@127.0.0.1:{free_port()}/patient_db")
    started.must_say("service: database: Can't connect")
    started.process.send_signal(number)
    assert started.process.wait(GUARD) == 0


# ---- the database ------------------------------------------------------------------------------------------------------

def test_it_says_once_why_its_database_does_not_let_it_in(service, database):
    database.refusal = "Access denied for user 'patient'"
    started = service(database.url())
    until(lambda: database.refused >= 3, "it tries again")
    database.refusal = "Too many connections"
    started.must_say("Too many connections")
    database.refusal = None
    started.must_say("ready")
    assert started.said.count("Access denied for user 'patient'") == started.said.count("Too many connections") == 1


@pytest.mark.parametrize("password", ["p@ss@word", "a:b", "a/b", "a@b/c:d"])
def test_a_password_may_have_the_marks_of_a_url(service, database, password):
    service(database.url(password)).must_say("ready")


@pytest.mark.parametrize("url", ["mysql://patient@127.0.0.1/patient_db", "mysql://patient:x@127.0.0.1", "mysql://patient:x@/d",
                                 "mysql://patient:@127.0.0.1/d", "mysql://@a:b/d", "mysql://patient:x@127.0.0.1/"])
def test_a_url_without_a_part_is_refused(service, url):
    started = service(url)
    assert started.process.wait(GUARD) == 1
    assert "mysql://USER:PASSWORD@HOST[:PORT]/DATABASE is wanted" in started.said


def test_only_health_asks_the_database(service, database):
    started = service(database.url())
    started.must_say("ready")
    database.statements.clear()
    client = Client(started.port)
    for path in ("/actuator/prometheus", "/actuator", "/elsewhere"):
        assert client.request(target=path).status == 200
    assert database.statements == []
    assert client.request(target="/actuator/health").body == b'{"status":"UP"}\n'
    assert database.statements == ["SELECT 1"]
    client.close()


# ---- answers -----------------------------------------------------------------------------------------------------------

def test_an_answer_without_a_body_has_none(service):
    started = service()
    started.must_say("ready")
    client = Client(started.port)
    for path in ("/patient/7", "/bytes?n=100000", "/status?code=503", "/actuator/health", "/actuator/prometheus"):
        assert int(client.request("HEAD", path).get("Content-Length")) > 0
    for code in (204, 304):
        for method in ("GET", "HEAD"):
            answer = client.request(method, f"/status?code={code}")
            assert (answer.status, answer.get("Content-Length")) == (code, None)
    # What was sent too much would be read as the next answer.
    assert b'"path":"/last"' in client.request(target="/last").body
    client.close()


# ---- the lab's database server -----------------------------------------------------------------------------------------

INSTALL = """[ ! -e "$DATA/mysql/user" ] || exit 0
mkdir -p "$DATA/mysql" && touch "$DATA/mysql/user"
[ -z "${INTERRUPT:-}" ] || exit 1
touch "$DATA/mysql/help"
"""


@pytest.fixture
def start(tmp_path):
    """start(**environment): what deploy/lab/mariadb exits with, and the statements that the server would begin with. It runs in a
    folder of the test, with programs that only do as if; Debian's mariadb-install-db leaves tables that it finds, too."""
    with open(f"{ROOT}/deploy/lab/mariadb") as script:
        text = script.read()
    for path in ("/var/lib/mysql", "/tmp/init.sql", "/run/mysqld"):
        assert path in text
        text = text.replace(path, str(tmp_path / os.path.basename(path)))
    for name, program in (("chown", ""), ("mariadb-install-db", INSTALL), ("mariadbd", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{program}")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "mysql").mkdir()

    def run(**environment):
        settings = {"DATA": tmp_path / "mysql", "PATH": f"{tmp_path}:{os.environ['PATH']}", "MYSQL_DATABASE": "patient_db",
                    "MYSQL_USER": "patient", "MYSQL_PASSWORD": "hospital", **environment}
        status = subprocess.run(["/bin/sh", "-c", text], env=settings).returncode
        return status, (tmp_path / "init.sql").read_text() if status == 0 else None
    yield run


def files(folder):
    return sorted(os.path.relpath(path, folder) for path in folder.rglob("*") if path.is_file())


def test_an_interrupted_installation_is_repeated(start, tmp_path):
    assert start(INTERRUPT="yes")[0] == 1
    assert start()[0] == 0
    assert files(tmp_path / "mysql") == ["mysql/help", "mysql/user"]


def test_data_of_an_earlier_version_stay(start, tmp_path):
    for name in ("mysql/user", "patient_db/patients"):
        (tmp_path / "mysql" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "mysql" / name).touch()
    for _ in range(2):
        assert start()[0] == 0
        assert files(tmp_path / "mysql") == ["mysql/user", "patient_db/patients"]


def test_a_password_may_have_quotes_and_backslashes(start):
    status, statements = start(MYSQL_PASSWORD="a'b\\c&d$e\"f")
    assert status == 0
    assert "IDENTIFIED BY 'a\\'b\\\\c&d$e\"f';" in statements


def test_a_taken_port_is_named_with_what_moves_it():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = subprocess.run([f"{ROOT}/tests/hospital/run"], env=dict(os.environ, BUILD=str(BUILD), HOSPITAL_DNS_PORT=str(port)),
                              capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"dns could not start on 127.0.0.1:{port}" in done.stderr and "HOSPITAL_DNS_PORT=" in done.stderr
