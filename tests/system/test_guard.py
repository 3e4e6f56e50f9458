"""The wrong-service guard: an address of tasks.NAME gets requests once it is known not to be another service's, and loses no
time by that. The figures are printed: pytest -s."""
import threading
import time

import pytest

from harness import until
from nameserver import NXDOMAIN, PTR, SERVFAIL, NameServer

ONE, TWO, THREE, PUBLIC = "127.0.10.1", "127.0.10.2", "127.0.10.3", "203.0.113.7"
FALLBACK = "Patient information is currently unavailable\n"
OWN, FOREIGN = "hospital_patient.1.abc.hospital_default", "hospital_reception.2.xyz.hospital_default"


def names_itself(connection, request):
    connection.reply(body=connection.socket.getsockname()[0].encode())


def forwards(name):
    """1.10.0.127.in-addr.arpa is 127.0.10.1"""
    return ".".join(reversed(name.split(".")[:4]))


class Swarm(NameServer):
    """Addresses of any name, and names of addresses."""

    def __init__(self):
        super().__init__()
        self.addresses, self.names, self.answer = [ONE], {}, self.tell

    def tell(self, query):
        if query.type != PTR:
            return [query.reply(*self.addresses)]
        name = self.names.get(forwards(query.name))
        if callable(name):
            return name(query)
        return [query.reply(name) if name else query.reply(code=NXDOMAIN)]

    def asked_back(self, address):
        return [query.time for query in list(self.asked) if query.type == PTR and forwards(query.name) == address]


@pytest.fixture
def swarm():
    server = Swarm()
    yield server
    server.stop()


@pytest.fixture
def service(upstream):
    first = upstream(names_itself, address=ONE)
    return {ONE: first, **{address: upstream(names_itself, address=address, port=first.port) for address in (TWO, THREE)}}


@pytest.fixture
def serve(gateway, swarm, service, client):
    def start(host="tasks.patient", refresh="100ms", timeout="2s", **dns):
        started = gateway({"patient": {"url": f"http://{host}:{service[ONE].port}", "balance": "round_robin"}},
                          [{"path": "/", "fallback": FALLBACK}], workers=1,
                          dns={"servers": [f"127.0.0.1:{swarm.port}"], "refresh": refresh, "timeout": timeout, **dns})
        return started, client(started)

    return start


def used(connection, count=12):
    return {connection.request().body.decode() for _ in range(count)}


def quarantined(started):
    return {one["address"]: one["reason"] for one in started.admin("/upstreams/patient")["discovery"]["quarantined"]}


def test_another_services_address_is_quarantined(swarm, serve, service):
    swarm.addresses, swarm.names = [ONE], {ONE: OWN, TWO: FOREIGN}
    started, connection = serve()
    assert used(connection) == {ONE}
    swarm.addresses = [ONE, TWO]
    until(lambda: quarantined(started), "the quarantine")
    assert used(connection) == {ONE} and not service[TWO].requests
    assert quarantined(started) == {TWO: f"its name belongs to another service: {FOREIGN}"}
    until(lambda: started.has_said(f"tasks.patient: {TWO} is quarantined: its name belongs to another service: {FOREIGN}"), "a line")
    metrics = started.metrics()
    assert metrics.sum("gateway_addresses_quarantined", upstream="patient") == 1
    assert metrics.sum("gateway_quarantines_total", upstream="patient") == 1
    begin = time.monotonic()
    swarm.names[TWO] = OWN
    until(lambda: used(connection) == {ONE, TWO}, "it is this service's now")
    print(f"\nquarantined, then this service's: used after {time.monotonic() - begin:.2f} s, "
          f"asked {len(swarm.asked_back(TWO))} times")
    assert not quarantined(started) and started.metrics().sum("gateway_addresses_quarantined") == 0


def test_all_addresses_are_another_services(swarm, serve, service):
    """Nobody is better than somebody else."""
    swarm.names = {ONE: FOREIGN}
    started, connection = serve()
    assert connection.request().body == FALLBACK.encode() and not service[ONE].requests
    swarm.addresses = [ONE, TWO]
    until(lambda: used(connection) == {TWO}, "the one without a name")


@pytest.mark.parametrize("name", ["none", "short id", "SERVFAIL", "silence", "a host's"])
def test_a_name_that_says_nothing_is_allowed(swarm, serve, name):
    swarm.names[ONE] = {"none": None, "short id": "5sd8yqvfmrby.hospital_default", "silence": lambda query: [],
                        "SERVFAIL": lambda query: [query.reply(code=SERVFAIL)],
                        "a host's": "ip-10-0-0-5.eu-west-1.compute.internal"}[name]
    started, connection = serve()
    assert used(connection) == {ONE} and not quarantined(started)


def test_other_names_are_not_verified(swarm, serve):
    swarm.names[ONE] = FOREIGN
    _, connection = serve(host="db.hospital")
    assert used(connection) == {ONE} and not swarm.asked_back(ONE)


def test_the_guard_can_be_turned_off_and_on(swarm, serve, service):
    swarm.names[ONE] = FOREIGN
    started, connection = serve(verify_service="off")
    assert used(connection) == {ONE} and not swarm.asked_back(ONE)
    for verify, expected in (("on", FALLBACK), ("off", ONE)):
        started.configure({"patient": {"url": f"http://tasks.patient:{service[ONE].port}"}}, [{"path": "/", "fallback": FALLBACK}],
                          dns={"servers": [f"127.0.0.1:{swarm.port}"], "refresh": "100ms", "verify_service": verify}, workers=1)
        started.reload()
        until(lambda: used(connection) == {expected}, f"verify_service: {verify}")


def test_a_public_address_must_have_a_name_of_the_service(swarm, serve):
    """A name without tasks is asked for outside, where a wildcard may answer."""
    swarm.addresses = [ONE, PUBLIC]
    started, connection = serve()
    assert used(connection) == {ONE}
    assert quarantined(started) == {PUBLIC: "a public address whose name is not the service's"}
    started.must_say(f"{PUBLIC} is quarantined: a public address")
    swarm.names[PUBLIC] = OWN
    until(lambda: not quarantined(started), "a swarm that uses public addresses")
    assert f"{PUBLIC}:" in "".join(started.endpoints())


@pytest.mark.parametrize("reverse", ["answered", "silent"])
def test_a_new_replica_loses_no_time(swarm, serve, reverse):
    """Until its name is known, dns.timeout at most."""
    swarm.names[TWO] = OWN if reverse == "answered" else lambda query: []
    _, connection = serve(timeout="300ms")
    begin = time.monotonic()
    swarm.addresses = [ONE, TWO]
    until(lambda: swarm.asked_back(TWO), "it is asked")
    asked = time.monotonic()
    until(lambda: used(connection, 4) == {ONE, TWO}, "it is used")
    print(f"\nnew replica, its name {reverse}: known after {asked - begin:.3f} s (refresh 100 ms), "
          f"used {time.monotonic() - asked:.3f} s later (dns.timeout 300 ms)")
    assert time.monotonic() - asked < 3


@pytest.mark.parametrize("before", ["answered", "silent"])
def test_nobodys_time_ends_with_anothers(swarm, serve, service, before):
    """The time of the one that came before is over while the next one, another service's, still waits for its name."""
    timeout = 4

    def slowly(query):
        swarm.send_later(1, query.reply(FOREIGN), query.peer)
        return []

    swarm.names = {ONE: OWN, TWO: slowly, THREE: OWN if before == "answered" else lambda query: []}
    started, connection = serve(timeout=f"{timeout}s")
    swarm.addresses = [ONE, THREE]
    until(lambda: swarm.asked_back(THREE) and time.monotonic() > swarm.asked_back(THREE)[0] + timeout - 0.5, "most of its time is over")
    swarm.addresses = [ONE, TWO, THREE]
    until(lambda: used(connection) == {ONE, THREE} and TWO in quarantined(started), "the quarantine")
    assert not service[TWO].requests


def test_one_that_has_answered_waits_for_no_later_one(swarm, serve):
    """In a rolling update there may always be one that waits for its name."""
    def slowly(query):
        swarm.send_later(3, query.reply(OWN), query.peer)
        return []

    timeout = 4
    swarm.names = {ONE: OWN, THREE: slowly, TWO: lambda query: []}
    _, connection = serve(timeout=f"{timeout}s")
    swarm.addresses = [ONE, THREE]
    until(lambda: swarm.asked_back(THREE) and time.monotonic() > swarm.asked_back(THREE)[0] + 2, "half of its time is over")
    swarm.addresses = [ONE, TWO, THREE]
    until(lambda: THREE in used(connection), "the first is used")
    assert time.monotonic() < swarm.asked_back(TWO)[0] + timeout, "the second still waits"


def test_replicas_that_are_all_replaced_at_once(swarm, serve):
    """While the new ones are asked for their names the old ones go on, whatever DNS says."""
    swarm.names[TWO] = lambda query: []
    _, connection = serve(timeout="300ms")
    swarm.addresses = [TWO]
    statuses = []
    until(lambda: (response := connection.request()) and statuses.append(response.status) or response.body == TWO.encode(), "it")
    assert set(statuses) == {200}


def test_a_thousand_new_addresses_are_asked_a_few_at_a_time(swarm, serve):
    """Their names come after 20 ms each."""
    held, most, lock = [0], [0], threading.Lock()

    def slowly(query):
        with lock:
            held[0] += 1
            most[0] = max(most[0], held[0])

        def answer():
            with lock:
                held[0] -= 1
            swarm.datagrams.sendto(query.reply(OWN), query.peer)

        threading.Timer(0.02, answer).start()
        return []

    started, _ = serve(timeout="60s")
    addresses = [f"127.0.{20 + number // 250}.{number % 250 + 1}" for number in range(1000)]
    swarm.names.update({address: slowly for address in addresses})
    swarm.addresses = addresses
    begin = time.monotonic()
    until(lambda: len(started.endpoints()) == 1000, "all are used", seconds=60)
    asked = [len(swarm.asked_back(address)) for address in addresses[:50]]
    lasted = time.monotonic() - begin
    print(f"\n1,000 new addresses: verified in {lasted:.1f} s, at most {most[0]} questions at once")
    assert most[0] <= 16 and min(asked) == 1 and max(asked) <= 1 + lasted / 5, "an allowed one is asked again after 5 s"


def test_quarantined_addresses_are_not_asked_often(swarm, serve):
    swarm.addresses, swarm.names = [ONE, TWO, THREE], {TWO: FOREIGN, THREE: FOREIGN}
    started, _ = serve()
    begin = time.monotonic()
    swarm.wait_for_more(45)
    lasted = time.monotonic() - begin
    counts = [len(swarm.asked_back(address)) for address in (ONE, TWO, THREE)]
    print(f"\nquarantined for {lasted:.1f} s of refreshes every 100 ms: asked {counts[1]} times, an allowed one {counts[0]} times")
    assert counts[0] <= lasted / 5 + 1 and all(2 <= count <= lasted / 2 + 2 for count in counts[1:])


def test_an_address_that_becomes_another_services(swarm, serve, service):
    """DNS goes on listing it."""
    swarm.addresses, swarm.names = [ONE, TWO], {ONE: OWN, TWO: OWN}
    started, connection = serve()
    assert used(connection) == {ONE, TWO}
    swarm.names[TWO] = FOREIGN
    begin = time.monotonic()
    until(lambda: quarantined(started), "the quarantine", seconds=30)
    print(f"\nanother service's all of a sudden: quarantined after {time.monotonic() - begin:.1f} s")
    assert used(connection) == {ONE}


def test_a_lost_connection_asks_at_once(swarm, serve, service):
    """The new owner does not listen on the port. The address was asked a moment ago: the next regular question is 5 s away."""
    swarm.addresses, swarm.names = [ONE, TWO], {ONE: OWN, TWO: OWN}
    started, connection = serve()
    assert used(connection) == {ONE, TWO}
    asked = len(swarm.asked_back(TWO))
    until(lambda: len(swarm.asked_back(TWO)) > asked, "a regular question", seconds=30)
    swarm.names[TWO] = FOREIGN
    service[TWO].stop()
    begin = time.monotonic()
    until(lambda: used(connection) and quarantined(started), "the quarantine")
    took = time.monotonic() - begin
    print(f"\nlost connection to what is another service's: quarantined after {took:.2f} s")
    assert took < 4


def test_a_lost_answer_admits_not_for_good(swarm, serve, service):
    swarm.addresses, swarm.names = [ONE, TWO], {ONE: OWN, TWO: lambda query: []}
    started, connection = serve(timeout="200ms")
    until(lambda: used(connection) == {ONE, TWO}, "it is allowed")
    swarm.names[TWO] = FOREIGN
    until(lambda: quarantined(started), "the quarantine")
    assert used(connection) == {ONE}


def test_an_answer_that_says_nothing_takes_nothing_back(swarm, serve):
    """A blink of the DNS: no name of any address, twice for each."""
    swarm.addresses, swarm.names = [ONE, PUBLIC, TWO], {ONE: OWN, PUBLIC: OWN, TWO: FOREIGN}
    started, _ = serve()
    until(lambda: list(quarantined(started)) == [TWO], "the quarantine")
    asked = {address: len(swarm.asked_back(address)) for address in (ONE, PUBLIC, TWO)}
    swarm.names.update({ONE: None, PUBLIC: None, TWO: None})
    until(lambda: len(swarm.asked_back(TWO)) == asked[TWO] + 1, "it is asked again")
    assert list(quarantined(started)) == [TWO]
    until(lambda: not quarantined(started), "the second answer frees it", seconds=30)
    until(lambda: all(len(swarm.asked_back(address)) > asked[address] for address in (ONE, PUBLIC)), "they are asked", seconds=30)
    assert not quarantined(started)


EVIL = "evil_out_patient.1.abc.evil_default"


def test_the_whole_label_counts(swarm, serve, service):
    swarm.addresses, swarm.names = [ONE, TWO], {ONE: OWN, TWO: EVIL}
    started, connection = serve()
    assert used(connection) == {ONE}
    assert quarantined(started) == {TWO: f"its name belongs to another service: {EVIL}"}


def test_a_service_that_gets_another_label(swarm, serve, service):
    """Deployed again under another stack's name: while both are there the one that was known serves, then the other."""
    swarm.addresses, swarm.names = [ONE], {ONE: OWN, TWO: "clinic_patient.1.abc.clinic_default"}
    started, connection = serve()
    assert used(connection) == {ONE}
    swarm.addresses = [ONE, TWO]
    until(lambda: quarantined(started), "the newcomer waits")
    assert used(connection) == {ONE}
    swarm.addresses = [TWO]
    statuses = []
    until(lambda: (response := connection.request()) and statuses.append(response.status) or response.body == TWO.encode(), "it serves")
    assert set(statuses) == {200}


def test_most_addresses_tell_the_label(swarm, serve, service):
    """A stale one, of another service by now, was known first."""
    swarm.addresses, swarm.names = [TWO], {ONE: OWN, TWO: EVIL, THREE: OWN}
    started, connection = serve()
    assert used(connection) == {TWO}, "nobody knows better yet"
    swarm.addresses = [ONE, TWO, THREE]
    until(lambda: used(connection) == {ONE, THREE}, "the service that was meant")
    assert list(quarantined(started)) == [TWO]
