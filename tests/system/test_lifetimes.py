"""Lifetimes of services, their names, their checks and their requests, when a reload comes between."""
import os
import signal
import socket
import threading

import pytest

from harness import Client, until
from nameserver import NXDOMAIN, PTR, SERVFAIL, NameServer

ONE, TWO = "127.0.19.1", "127.0.19.2"
NAME = "tasks.patient"


@pytest.fixture
def nameserver():
    server = NameServer()
    yield server
    server.stop()


def addresses(*values):
    return lambda query: [query.reply(*values) if query.type != PTR else query.reply(code=NXDOMAIN)]


def dns(server, **more):
    return {"servers": [f"127.0.0.1:{server.port}"], "refresh": "100ms", **more}


@pytest.mark.parametrize("code", [NXDOMAIN, SERVFAIL])
def test_checks_of_a_service_that_comes_after_the_gateway(gateway, nameserver, upstream, code):
    behind = upstream(address=ONE)
    nameserver.answer = lambda query: [query.reply(code=code)]
    started = gateway({"patient": {"url": f"http://{NAME}:{behind.port}", "health_check": {"path": "/health", "interval": "100ms"}}},
                      dns=dns(nameserver, verify_service="off"))
    nameserver.answer = addresses(ONE)
    until(lambda: len(behind.requests) >= 3 or started.process.poll() is not None, "it is checked")
    assert started.process.poll() is None


def test_a_name_server_is_changed_while_an_address_is_verified(gateway, nameserver, upstream):
    behind = upstream(address=ONE)
    told = {"addresses": [ONE], "names": True}

    def answer(query):
        if query.type == PTR:
            return [query.reply(code=NXDOMAIN)] if told["names"] else []
        return [query.reply(*told["addresses"])]

    nameserver.answer = answer
    patient = {"patient": {"url": f"http://{NAME}:{behind.port}"}}
    started = gateway(patient, dns=dns(nameserver, timeout="5s"))
    until(lambda: len(started.endpoints()) == 1, "the first")
    told.update(names=False, addresses=[ONE, TWO])
    before = len(nameserver.asked)
    until(lambda: any(query.type == PTR for query in list(nameserver.asked)[before:]), "the second is seen, and its name asked for")
    for number in range(6):
        started.configure(patient, dns=dns(nameserver, timeout=f"{5001 + number}ms"))
        started.reload()
    told["addresses"] = [ONE]
    before = len(nameserver.asked)
    until(lambda: len(nameserver.asked) > before + 10 or started.process.poll() is not None, "the second is gone")
    assert started.process.poll() is None


def test_waiting_requests_of_an_upstream_that_was_replaced_when_its_breaker_opens(gateway, upstream):
    go_on = threading.Event()

    def failing_later(connection, request):
        go_on.wait(30)
        connection.reply(500)

    behind = upstream(failing_later)

    def patient(window):
        return {"patient": {"url": behind.url, "retry": {"attempts": 0}, "ejection": "off",
                            "bulkhead": {"max_in_flight": 1, "max_wait": "30s"}, "breaker": {"window": window, "minimum_calls": 1}}}

    started = gateway(patient("10 calls"), workers=1)
    clients = [Client(started.port) for _ in range(4)]
    for client in clients:
        client.ask()
    until(lambda: started.admin("/upstreams/patient")["bulkhead"]["waiting"] == 3, "three wait")
    started.configure(patient("20 calls"), workers=1)
    started.reload()
    until(lambda: started.admin("/upstreams/patient")["bulkhead"]["waiting"] == 0, "another upstream")
    go_on.set()
    assert [client.answer().status for client in clients] == [500, 503, 503, 503]


def test_an_upstream_that_is_named_again_is_asked_for_again(gateway, nameserver, upstream):
    """Its addresses of then may be another service's by now."""
    behind = upstream()
    nameserver.answer = addresses(ONE)
    other = {"other": {"url": behind.url}}
    both = {**other, "patient": {"url": f"http://{NAME}:{behind.port}"}}
    started = gateway(both, dns=dns(nameserver, verify_service="off"))
    until(lambda: len(started.endpoints()) == 1, "its address")
    started.configure(other, dns=dns(nameserver, verify_service="off"))
    started.reload()
    nameserver.answer = lambda query: []
    started.configure(both, dns=dns(nameserver, verify_service="off"))
    started.reload()
    until(lambda: started.ask_admin("/upstreams/patient")[0] == 200, "both")
    assert started.endpoints() == []
    nameserver.answer = addresses(TWO)
    until(lambda: started.endpoints() == [f"{TWO}:{behind.port}"], "the address of now")


def test_a_shorter_interval_of_checks_does_not_wait_for_the_longer(gateway, upstream):
    behind = upstream()

    def patient(interval):
        return {"patient": {"url": behind.url, "health_check": {"path": "/health", "interval": interval}}}

    started = gateway(patient("1h"))
    started.configure(patient("100ms"))
    started.reload()
    until(lambda: len(behind.requests) >= 3, "checks")


def test_signals_while_a_reload_waits_for_dns_are_not_lost(gateway, nameserver, upstream):
    behind = upstream(lambda connection, request: connection.reply(500))
    nameserver.answer = lambda query: []

    def upstreams(window, **more):
        return {"patient": {"url": behind.url, "ejection": "off", "retry": {"attempts": 0},
                            "breaker": {"window": window, "minimum_calls": 3, "open_for": "60s"}}, **more}

    started = gateway(upstreams("10 calls"), workers=1, dns=dns(nameserver, timeout="2s"))
    started.configure(upstreams("20 calls", later={"url": "http://tasks.later:80"}), workers=1, dns=dns(nameserver, timeout="2s"))
    before = len(nameserver.asked)
    started.signal(signal.SIGHUP)
    until(lambda: len(nameserver.asked) > before, "it asks for the new name")
    client = Client(started.port)
    assert [client.request().status for _ in range(8)] == [500] * 3 + [503] * 5
    figures = started.breaker()
    until(lambda: started.has_said("is in use now"), "the reload")
    assert figures["state"] == started.breaker()["state"] == "OPEN"
    assert started.breaker()["notPermittedCalls"] >= figures["notPermittedCalls"] == 5


def test_an_open_breaker_stays_open_through_other_windows(gateway, upstream):
    """Its replica is the one that failed, however soon a worker hears of it."""
    behind = upstream(lambda connection, request: connection.reply(500))

    def upstreams(window):
        return {"patient": {"url": behind.url, "ejection": "off", "retry": {"attempts": 0},
                            "breaker": {"window": window, "minimum_calls": 3, "open_for": "60s"}}}

    started = gateway(upstreams("10 calls"), workers=1)
    client = Client(started.port)
    assert [client.request().status for _ in range(4)] == [500] * 3 + [503]
    for calls in range(20, 60):
        started.configure(upstreams(f"{calls} calls"), workers=1)
        started.reload()
        assert started.breaker()["state"] == "OPEN"
    assert "new endpoints" not in started.stderr


def test_a_reload_that_the_end_overtakes(gateway, nameserver, upstream):
    """Workers know the new endpoints by then; a build with a sanitizer says whether they let go of them."""
    one, two = upstream(), upstream()
    nameserver.answer = lambda query: []
    started = gateway({"patient": one}, dns=dns(nameserver, timeout="60s"))
    started.configure({"patient": one, "other": two, "later": {"url": "http://tasks.later:80"}}, dns=dns(nameserver, timeout="60s"))
    started.signal(signal.SIGHUP)
    until(lambda: nameserver.asked, "it asks for the new name")
    started.signal(signal.SIGTERM)
    assert started.wait() == 0 and not started.has_said("is in use now")


def test_health_outlives_another_window_of_the_breaker(gateway, upstream):
    ill = upstream(lambda connection, request: connection.reply(503 if request.target == "/health" else 200))

    def patient(window, interval):
        return {"patient": {"url": ill.url, "breaker": {"window": window}, "health_check": {"path": "/health", "interval": interval}}}

    def endpoint():
        return started.admin("/upstreams/patient")["endpoints"][0]

    started = gateway(patient("10s", "100ms"))
    until(lambda: endpoint()["state"] == "unhealthy", "it is ill")
    Client(started.port).request()
    started.configure(patient("20s", "1h"))
    started.reload()
    assert endpoint()["state"] == "unhealthy" and endpoint()["requests"] == 1
    started.configure({"patient": {"url": ill.url, "breaker": {"window": "30s"}}})
    started.reload()
    assert endpoint()["state"] == "available", "nobody checks any more, so nobody would ever say that it is well again"


def test_another_port_is_another_process(gateway, upstream):
    ill = upstream(lambda connection, request: connection.reply(503 if request.target == "/health" else 200))
    well = upstream()

    def patient(behind, interval):
        return {"patient": {"url": behind.url, "health_check": {"path": "/health", "interval": interval}}}

    def endpoint():
        return started.admin("/upstreams/patient")["endpoints"][0]

    started = gateway(patient(ill, "100ms"))
    until(lambda: endpoint()["state"] == "unhealthy", "it is ill")
    started.configure(patient(well, "1h"))
    started.reload()
    assert endpoint()["state"] == "available" and endpoint()["lastError"] is None


def test_workers_hear_no_more_of_a_replaced_upstream(gateway, upstream):
    """Its checks end with it. They also end at an upstream that stays, and workers do hear of that."""
    old, new = upstream(), upstream()
    check = {"health_check": {"path": "/health", "interval": "1h"}}
    started = gateway({"patient": {"url": old.url, **check}, "stays": {"url": new.url, **check}})
    started.configure({"patient": {"url": new.url, **check}, "stays": {"url": new.url}})
    started.reload()

    def told():
        events = started.admin("/cluster/self")["events"]
        reloaded = max((index for index, event in enumerate(events) if event["kind"] == "reload"), default=len(events))
        return [event["upstream"] for event in events[reloaded:] if event["kind"] == "dns"]

    until(lambda: "stays" in told(), "it is told that nobody checks any more")
    assert told() == ["stays"]


@pytest.mark.skipif(os.geteuid() != 0, reason="a library is covered up")
def test_a_refused_file_asks_no_name_server(gateway, nameserver, upstream):
    behind, refused = upstream(address=ONE), NameServer()
    nameserver.answer = addresses(ONE)

    def patient(**more):
        return {"patient": {"url": f"http://patient.hospital:{behind.port}", **more}}

    cover = 'mount --bind /dev/null "$(readlink -f /usr/lib/*/libcurl.so.4)" && exec "$@"'
    started = gateway(patient(), dns=dns(nameserver), prefix=("unshare", "-m", "sh", "-c", cover, "sh"))
    until(lambda: len(started.endpoints()) == 1, "its address")
    started.configure(patient(health_check={"path": "/health"}), dns=dns(refused))
    assert "the gateway keeps the old configuration" in started.reload()
    before = len(nameserver.asked)
    until(lambda: len(nameserver.asked) > before + 4, "the old one is asked on")
    assert refused.asked == [] and started.endpoints() == [f"{ONE}:{behind.port}"]
    refused.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="another hosts file is mounted")
def test_the_hosts_file_takes_no_place_of_what_dns_said(gateway, nameserver, upstream, tmp_path):
    behind = upstream(address=ONE)
    (tmp_path / "hosts").write_text(f"{TWO} patient.hospital\n")
    nameserver.answer = addresses(ONE)
    started = gateway({"patient": f"http://patient.hospital:{behind.port}"}, dns=dns(nameserver),
                      prefix=("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(tmp_path / "hosts")))
    until(lambda: len(started.endpoints()) == 1, "its address")
    nameserver.answer = lambda query: [query.reply(code=SERVFAIL)]
    until(lambda: started.metrics().sum("gateway_dns_failures_total") > 1, "DNS is ill")
    assert started.endpoints() == [f"{ONE}:{behind.port}"]


def test_nobody_waits_for_a_receiver_of_notifications(gateway, upstream, tmp_path):
    """A service manager's socket takes so many messages that nobody reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, open("/proc/sys/net/unix/max_dgram_qlen") as limit:
        notified.bind(str(tmp_path / "notified"))
        started = gateway(upstream(), env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notified")})
        for _ in range(int(limit.read()) + 3):
            started.reload()
        assert started.ask_admin("/livez")[0] == 200

