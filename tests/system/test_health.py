"""Active health checks: who fails them gets nothing new, and is back when it is well. Off unless they are asked for.

The interval is 100 ms, the least there is, so that tests are short. The figures are printed: pytest -s."""
import os
import time

import pytest

from harness import free_port, until
from process import each

ONE, TWO, THREE = "127.0.11.1", "127.0.11.2", "127.0.11.3"
FALLBACK = "Patient information is currently unavailable\n"
PATH = "/actuator/health"


class Replica:
    """Answers requests with its address and checks with `health`; counts both apart."""

    def __init__(self, upstream, address, port):
        self.health, self.checks, self.requests = lambda connection: connection.reply(), [], []
        self.upstream = upstream(self.answer, address=address, port=port)

    def answer(self, connection, request):
        if request.target != PATH:
            self.requests.append(request)
            connection.reply(body=connection.socket.getsockname()[0].encode())
            return
        request.time, request.connection = time.monotonic(), connection.number
        self.checks.append(request)
        self.health(connection)

    def fail(self, status=503):
        self.health = lambda connection: connection.reply(status)

    def recover(self):
        self.health = lambda connection: connection.reply()


@pytest.fixture
def service(upstream, dns):
    port = free_port(ONE, TWO, THREE)
    replicas = {address: Replica(upstream, address, port) for address in (ONE, TWO, THREE)}
    dns.set("tasks.patient", " ".join(replicas))
    return replicas


@pytest.fixture
def serve(gateway, service, dns, client):
    def start(health_check=None, env=None, **keys):
        start.keys = {"dns": {"servers": [f"127.0.0.1:{dns.port}"], "refresh": "100ms", "timeout": "5s"}, "workers": 1}
        if health_check != "off":
            health_check = {"interval": "100ms", "timeout": "500ms", **(health_check or {})}
        start.upstream = {"url": f"http://tasks.patient:{service[ONE].upstream.port}", "balance": "round_robin", "slow_start": "off",
                          "health_check": health_check, **keys}
        started = gateway({"patient": start.upstream}, [{"path": "/", "fallback": FALLBACK}], env=env, **start.keys)
        return started, client(started)

    return start


def endpoint(started, address):
    return next(one for one in started.admin("/upstreams/patient")["endpoints"] if one["address"].startswith(address + ":"))


def wait_for(started, address, state):
    until(lambda: endpoint(started, address)["state"] == state, f"{address} {state}, is {endpoint(started, address)}")


def used(connection, count=12):
    return {connection.request().body.decode() for _ in range(count)}


def loaded(started, library):
    with open(f"/proc/{started.process.pid}/maps") as file:
        return library in file.read()


def test_off_unless_asked_for(serve, service, dns):
    """Then libcurl is not even loaded; a reload turns them on."""
    started, connection = serve(health_check="off")
    dns.wait_for_more("tasks.patient", 4)
    assert used(connection) == {ONE, TWO, THREE} and not loaded(started, "libcurl")
    assert not any(replica.checks for replica in service.values())
    started.configure({"patient": dict(serve.upstream, health_check="on")}, [{"path": "/", "fallback": FALLBACK}], **serve.keys)
    started.reload()
    assert loaded(started, "libcurl")
    until(lambda: service[ONE].checks, "a check", seconds=30)


def test_a_failing_replica_gets_nothing_new_until_it_is_healthy(serve, service):
    started, connection = serve()
    assert used(connection) == {ONE, TWO, THREE}
    until(lambda: service[TWO].checks, "its first check")
    until(lambda: endpoint(started, TWO)["health"], "its first check is over")
    begin = time.monotonic()
    service[TWO].fail()
    wait_for(started, TWO, "unhealthy")
    took, checks = time.monotonic() - begin, len([check for check in service[TWO].checks if check.time >= begin])
    until(lambda: used(connection) == {ONE, THREE}, "the worker knows")
    before = len(service[TWO].requests)
    assert used(connection, 60) == {ONE, THREE} and len(service[TWO].requests) == before
    print(f"\nunhealthy after {took:.2f} s and {checks} checks (interval 100 ms, unhealthy: 3); then 0 of 60 requests")
    assert checks >= 3
    shown = endpoint(started, TWO)["health"]
    assert (shown["state"], shown["lastStatus"], shown["lastError"]) == ("unhealthy", 503, None)
    metrics = started.metrics()
    port = service[TWO].upstream.port
    assert metrics.sum("gateway_endpoint_healthy", endpoint=f"{TWO}:{port}") == 0
    assert metrics.sum("gateway_endpoint_healthy") == 2
    assert metrics.sum("gateway_endpoint_health_check_failures_total", endpoint=f"{TWO}:{port}") >= 3
    started.must_say(f"upstream patient: {TWO}:{port}: healthy -> unhealthy: answered 503 in ")
    begin = time.monotonic()
    service[TWO].recover()
    until(lambda: TWO in used(connection), "it is back")
    print(f"back after {time.monotonic() - begin:.2f} s (healthy: 2)")
    started.must_say(f"{TWO}:{port}: unhealthy -> healthy: answered 200 in ")
    assert started.metrics().sum("gateway_endpoint_healthy") == 3


def test_when_all_are_unhealthy_all_serve(serve, service):
    started, connection = serve()
    for replica in service.values():
        replica.fail()
    for address in service:
        wait_for(started, address, "unhealthy")
    until(lambda: used(connection) == {ONE, TWO, THREE}, "all serve")
    started.must_say("upstream patient: all 3 endpoints are unhealthy, so the gateway uses them all")
    service[ONE].recover()
    wait_for(started, ONE, "available")
    until(lambda: used(connection) == {ONE}, "the one that is well")


def test_health_is_kept_over_dns_and_reloads(serve, service, dns):
    started, connection = serve(health_check={"healthy": 100})
    service[TWO].fail()
    wait_for(started, TWO, "unhealthy")
    service[TWO].recover()  # but not for long enough
    dns.set("tasks.patient", f"{TWO} {THREE}")
    until(lambda: len(started.endpoints()) == 2, "one is withdrawn")
    dns.set("tasks.patient", f"{ONE} {TWO} {THREE}")
    until(lambda: len(started.endpoints()) == 3, "and back")
    until(lambda: used(connection) == {ONE, THREE}, "the worker knows")
    for _ in range(5):
        started.reload()
        assert used(connection) == {ONE, THREE}
    assert endpoint(started, TWO)["state"] == "unhealthy" and endpoint(started, TWO)["health"]["checks"] > 3


def test_checks_that_are_turned_off_are_forgotten(serve, service, dns):
    started, connection = serve()
    service[TWO].fail()
    wait_for(started, TWO, "unhealthy")
    for health_check, expected in (("off", {ONE, TWO, THREE}), ({"interval": "100ms"}, {ONE, THREE})):
        started.configure({"patient": dict(serve.upstream, health_check=health_check)}, [{"path": "/", "fallback": FALLBACK}],
                          **serve.keys)
        started.reload()
        until(lambda: used(connection) == expected, f"health_check: {health_check}")
        if health_check == "off":
            checks = len(service[ONE].checks)
            dns.wait_for_more("tasks.patient", 6)
            assert len(service[ONE].checks) <= checks + 1  # one may have been under way
            assert endpoint(started, TWO)["health"] is None


def reset(connection):
    connection.reset()


def old_http(connection):
    connection.send(b"<html>all is well</html>")
    connection.close()


def endless(connection):
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(10000):
        connection.send(b"x" * 16384)


def endless_fields(connection):
    connection.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(100000):
        connection.send(f"X-{number}: {'y' * 1000}\r\n".encode())


def dripping(connection):
    """Each byte in time, the whole never."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000:
        connection.send(bytes([byte]))
        time.sleep(0.05)


BAD = {"a reset": reset, "HTTP/0.9": old_http, "an endless body": endless, "endless fields": endless_fields,
       "a byte every 50 ms": dripping, "no answer": lambda connection: time.sleep(5),
       "an answer that is no HTTP": lambda connection: connection.send(b"\0" * 100),
       "a redirect to what is well": lambda connection: connection.reply(302, headers=[("Location", "/well")]),
       "404": lambda connection: connection.reply(404), "500": lambda connection: connection.reply(500)}


@pytest.mark.parametrize("kind", BAD)
def test_any_answer_but_a_whole_2xx_in_time_is_a_failure(serve, service, kind):
    started, connection = serve(health_check={"unhealthy": 1})
    service[TWO].health = BAD[kind]
    wait_for(started, TWO, "unhealthy")
    shown = endpoint(started, TWO)["health"]
    print(f"\n{kind}: {shown['lastError'] or shown['lastStatus']} after {shown['lastTookMs']} ms")
    until(lambda: used(connection) == {ONE, THREE}, "it is passed over")
    assert not [request for request in service[TWO].requests if request.target == "/well"]


def test_the_request_of_a_check(serve, service):
    """It goes straight to the replica, whatever the environment says, as a request to the service; on one connection."""
    nowhere = "http://127.0.0.1:1"
    started, _ = serve(env=dict(os.environ, http_proxy=nowhere, HTTP_PROXY=nowhere, all_proxy=nowhere, ALL_PROXY=nowhere))
    until(lambda: len(service[ONE].checks) >= 10, "ten checks")
    check = service[ONE].checks[0]
    assert check.first == f"GET {PATH} HTTP/1.1"
    assert check.get("Host") == f"tasks.patient:{service[ONE].upstream.port}"
    assert check.get("User-Agent").startswith("gateway/")
    assert {check.connection for check in service[ONE].checks} == {service[ONE].checks[0].connection}
    gaps = [after.time - before.time for before, after in zip(service[ONE].checks, service[ONE].checks[1:])]
    print(f"\n10 checks on 1 connection, {min(gaps) * 1000:.0f} to {max(gaps) * 1000:.0f} ms apart")
    assert endpoint(started, ONE)["health"]["state"] == "healthy"


def connections_to(started, address):
    """The connections from the gateway's machine to an address, closed by it or not yet."""
    number = "".join(f"{int(byte):02X}" for byte in reversed(address.split(".")))
    with open("/proc/net/tcp") as file:
        sockets = {line.split()[9] for line in file if line.split()[2].startswith(number + ":")}
    return sum(held.strip("socket:[]") in sockets for held in each(started.process, "fd", os.readlink))


def test_no_connection_is_left_over(serve, service, dns):
    """Of a replica that left, and of all when checks are turned off."""
    started, _ = serve()
    until(lambda: all(endpoint(started, address)["health"] for address in service), "all are checked")
    assert connections_to(started, TWO) == 1
    dns.set("tasks.patient", f"{ONE} {THREE}")
    until(lambda: len(started.endpoints()) == 2, "one is withdrawn")
    service[TWO].upstream.stop()
    until(lambda: connections_to(started, TWO) == 0, "its connection is closed")
    started.configure({"patient": dict(serve.upstream, health_check="off")}, **serve.keys)
    started.reload()
    until(lambda: connections_to(started, ONE) == 0, "so are all")


def test_the_path_is_the_configurations(serve, service):
    started, _ = serve(health_check={"path": "/ready"})
    until(lambda: any(request.target == "/ready" for request in service[ONE].requests), "it is asked for")


def test_checks_do_not_come_in_bursts(gateway, upstream, dns):
    """Forty replicas are checked all over the interval, and cost little."""
    times = []

    def note(connection, request):
        times.append(time.monotonic())
        connection.reply()

    addresses = [f"127.0.12.{number}" for number in range(1, 41)]
    port = free_port(*addresses)
    for address in addresses:
        upstream(note, address=address, port=port)
    dns.set("tasks.patient", " ".join(addresses))
    started = gateway({"patient": {"url": f"http://tasks.patient:{port}", "health_check": {"interval": "2s"}}}, workers=1,
                      dns={"servers": [f"127.0.0.1:{dns.port}"]})
    until(lambda: len(times) >= 40, "a round", seconds=30)
    cpu = started.metrics().sum("process_cpu_seconds_total")
    until(lambda: len(times) >= 120, "two more", seconds=30)
    cpu = started.metrics().sum("process_cpu_seconds_total") - cpu
    first = sorted(times)[:40]
    tenths = [sum(1 for one in first if int((one - first[0]) / 0.2) == tenth) for tenth in range(10)]
    print(f"\n40 replicas, an interval of 2 s: checks in each 0.2 s of the first round {tenths}; {cpu / 80 * 1e6:.0f} us CPU a check")
    assert max(tenths) <= 20 and first[-1] - first[0] > 0.5


def test_max_share_counts_only_healthy_replicas(serve, service):
    """Of three two might rest, of the two that are well only one: the other is not shown as ejected, as it is used."""
    service[THREE].fail()
    started, connection = serve(breaker="off", retry={"attempts": 0},
                                ejection={"consecutive_failures": 1, "for": "60s", "max_share": "67%"})
    wait_for(started, THREE, "unhealthy")
    until(lambda: THREE not in used(connection), "the worker knows")
    for replica in (service[ONE], service[TWO]):
        replica.upstream.handler = lambda connection, request, replica=replica: (
            replica.answer(connection, request) if request.target == PATH else connection.reply(500))
    for _ in range(12):
        connection.request()
    assert sorted(endpoint(started, address)["state"] for address in (ONE, TWO, THREE)) == ["available", "ejected", "unhealthy"]
    assert started.metrics().sum("gateway_endpoint_ejected") == 1
