"""A blink of the DNS: it says for a moment that a service is gone, whose replicas live. What still answers serves on, the first
lost connection ends it at once, nothing stays beyond dns.grace, and nothing new is taken meanwhile."""
import os
import time

import pytest

from harness import until
from nameserver import A, NOERROR, NXDOMAIN, PTR, SERVFAIL, NameServer

ONE, TWO, THREE = "127.0.12.1", "127.0.12.2", "127.0.12.3"
NAME = "tasks.patient"
FALLBACK = "Patient information is currently unavailable\n"
DENIALS = {"NXDOMAIN": NXDOMAIN, "an empty answer": NOERROR}


def names_itself(connection, request):
    connection.reply(body=connection.socket.getsockname()[0].encode())


def honest(*addresses):
    return lambda query: [query.reply(*addresses) if query.type != PTR else query.reply(code=NXDOMAIN)]


def denied(how="NXDOMAIN"):
    return lambda query: [query.reply(code=DENIALS[how])]


@pytest.fixture
def nameserver():
    server = NameServer(honest(ONE, TWO))
    yield server
    server.stop()


@pytest.fixture
def service(upstream):
    first = upstream(names_itself, address=ONE)
    return {ONE: first, **{address: upstream(names_itself, address=address, port=first.port) for address in (TWO, THREE)}}


@pytest.fixture
def serve(gateway, nameserver, service, client):
    def start(workers=1, upstream=(), prefix=(), **dns):
        started = gateway({"patient": {"url": f"http://{NAME}:{service[ONE].port}", "balance": "round_robin", **dict(upstream)}},
                          [{"path": "/", "fallback": FALLBACK}], workers=workers, prefix=prefix,
                          dns={"servers": [f"127.0.0.1:{nameserver.port}"], "refresh": "100ms", "timeout": "5s", "grace": "60s",
                               **dns})
        return started, client(started)

    return start


def addresses(started):
    return {address.rsplit(":", 1)[0] for address in started.endpoints()}


def used(connection, count=8):
    return {connection.request().body.decode() for _ in range(count)}


@pytest.mark.parametrize("how", DENIALS)
def test_a_blink_cuts_off_nobody(nameserver, serve, how):
    started, connection = serve(workers=2)
    nameserver.answer = denied(how)
    before, statuses = len(nameserver.questions(NAME)), []
    while len(nameserver.questions(NAME)) < before + 8:
        statuses.append(connection.request().status)
    assert used(connection) == {ONE, TWO}
    started.must_say("addresses that respond")
    nameserver.answer = honest(ONE, TWO)
    until(lambda: started.admin("/upstreams/patient")["discovery"]["error"] is None, "a good answer")
    assert used(connection) == {ONE, TWO}
    print(f"\nblink of 8 questions, {how}: {len(statuses)} requests, {sum(status != 200 for status in statuses)} failed")
    assert set(statuses) == {200}


@pytest.mark.parametrize("how", DENIALS)
def test_the_first_refused_connection_ends_it(nameserver, service, serve, how):
    """One replica after the other stops; what is left serves, then the fallback comes without another try."""
    started, connection = serve()
    assert used(connection) == {ONE, TWO}
    nameserver.answer = denied(how)
    until(lambda: started.has_said("addresses that respond"), "the grace")
    service[ONE].stop()
    assert used(connection) == {TWO}
    until(lambda: addresses(started) == {TWO}, "the other one is left")
    service[TWO].stop()
    assert connection.request().body == FALLBACK.encode()
    until(lambda: connection.request().body == FALLBACK.encode() and started.log()[-1]["outcome"] == "no_endpoint", "nobody is left")
    assert not addresses(started)
    nameserver.answer = honest(THREE)
    until(lambda: used(connection) == {THREE}, "another one is found")


def test_one_that_failed_before_the_denial_is_out_at_once(nameserver, service, serve):
    """ejection off: nothing but the lost connection tells that it is gone."""
    started, connection = serve(upstream={"ejection": "off", "breaker": "off"})
    assert used(connection) == {ONE, TWO}
    service[ONE].stop()
    assert used(connection) == {TWO}
    nameserver.answer = denied()
    until(lambda: addresses(started) == {TWO}, "the one that answers")
    assert used(connection) == {TWO}


def test_nothing_stays_beyond_the_grace(nameserver, service, serve):
    started, connection = serve(grace="1s")
    nameserver.answer = denied()
    asked = len(nameserver.questions(NAME))
    until(lambda: len(nameserver.questions(NAME)) > asked, "it is denied")
    denied_at = time.monotonic()
    until(lambda: connection.request().body == FALLBACK.encode(), "the fallback")
    took = time.monotonic() - denied_at
    print(f"\ndns.grace 1s: the last replica, which lives, went {took:.2f} s after the first denial")
    assert took > 0.9 and not addresses(started)


@pytest.mark.parametrize("how", ["SERVFAIL between them", "the second is slow"])
def test_the_grace_begins_with_the_second_denial(nameserver, serve, how):
    """It comes later after the first one than the grace is long."""
    grace, questions = 2, []

    def answer(query):
        if query.type == A:
            questions.append(query)
        if not questions:
            return honest(ONE, TWO)(query)  # its A was asked before
        if len(questions) == 1:
            return denied()(query)
        if how == "SERVFAIL between them":
            return [query.reply(code=SERVFAIL)]
        nameserver.send_later(grace + 1, query.reply(code=NXDOMAIN), query.peer)
        return []

    started, connection = serve(grace=f"{grace}s", timeout="60s")
    nameserver.answer = answer
    until(lambda: questions and time.monotonic() > questions[0].time + grace + 1, "the grace would be over")
    begin = time.monotonic()
    assert used(connection) == {ONE, TWO}
    nameserver.answer = denied()
    until(lambda: connection.request().body == FALLBACK.encode(), "the fallback")
    took = time.monotonic() - begin
    print(f"\ndns.grace {grace}s, two denials, {how}: the last replica went {took:.2f} s after the second")
    assert took > grace / 2 and not addresses(started)


def test_without_grace_two_denials_are_enough(nameserver, serve):
    started, connection = serve(grace="0s")
    nameserver.answer = denied()
    asked = len(nameserver.questions(NAME))
    until(lambda: connection.request().body == FALLBACK.encode(), "the fallback")
    assert len(nameserver.questions(NAME)) >= asked + 2 and not started.has_said("addresses that respond")


def test_a_long_refresh_does_not_outlast_the_blink(nameserver, service, serve):
    """While it is denied the name is asked for about every second. A refused connection asks for it, long before the refresh."""
    started, connection = serve(refresh="1h")
    assert used(connection) == {ONE, TWO}
    nameserver.answer = denied()
    service[ONE].stop()
    assert used(connection) == {TWO}
    until(lambda: started.has_said("addresses that respond"), "the grace")
    nameserver.wait_for_more(2, NAME)
    nameserver.answer = honest(TWO, THREE)
    until(lambda: used(connection) == {TWO, THREE}, "the next answer")


def test_new_ones_are_not_taken(nameserver, service, serve):
    """Its address came, its name is still asked for, when the whole service is denied."""
    def answer(query):
        if query.type == PTR:
            return [] if query.name.startswith(THREE.split(".")[-1] + ".") else [query.reply(code=NXDOMAIN)]
        return [query.reply(ONE, THREE)]

    started, connection = serve(timeout="30s")  # it is admitted after that time, if nobody denies it
    nameserver.answer = answer
    until(lambda: any(query.type == PTR and query.name.startswith("3.") for query in list(nameserver.asked)), "its name is asked for")
    nameserver.answer = lambda query: [] if query.type == PTR else [query.reply(code=NXDOMAIN)]
    nameserver.wait_for_more(30)
    assert used(connection, 20) == {ONE} and not service[THREE].requests
    assert addresses(started) == {ONE}


def test_a_reload_meanwhile_keeps_what_serves(nameserver, service, serve, gateway):
    """Another breaker window makes a new upstream, which takes over who serves, and nobody else."""
    started, connection = serve()
    assert used(connection) == {ONE, TWO}
    nameserver.answer = denied()
    until(lambda: started.has_said("addresses that respond"), "the grace")
    service[ONE].stop()
    assert used(connection) == {TWO}
    until(lambda: addresses(started) == {TWO}, "the other one is left")
    started.configure({"patient": {"url": f"http://{NAME}:{service[TWO].port}", "breaker": {"window": "20s"}}},
                      [{"path": "/", "fallback": FALLBACK}], workers=1,
                      dns={"servers": [f"127.0.0.1:{nameserver.port}"], "refresh": "100ms", "grace": "60s"})
    started.reload()
    assert used(connection) == {TWO} and addresses(started) == {TWO}


@pytest.mark.skipif(os.geteuid() != 0, reason="another hosts file is mounted")
def test_the_hosts_file_does_not_step_in_for_a_blink(nameserver, service, serve, tmp_path):
    """A line that somebody forgot there; it is used when the grace is over."""
    (tmp_path / "hosts").write_text(f"{THREE} {NAME}\n")
    started, connection = serve(grace="2s", prefix=("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"',
                                        str(tmp_path / "hosts")))
    assert used(connection) == {ONE, TWO}
    nameserver.answer = denied()
    until(lambda: started.has_said("addresses that respond"), "the grace")
    assert used(connection) == {ONE, TWO}
    until(lambda: used(connection) == {THREE}, "the hosts file's")
