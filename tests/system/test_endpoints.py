"""Several addresses behind one name: another one is tried where that is right, a sick one rests, DNS is followed."""
import threading

import pytest

from harness import closing, failing, free_port, plain, resetting, until

ONE, TWO, THREE = "127.0.7.1", "127.0.7.2", "127.0.7.3"
FALLBACK = "Patient information is currently unavailable\n"


def names_itself(connection, request):
    connection.reply(body=connection.socket.getsockname()[0].encode())


class Service:
    """tasks.patient with replicas on addresses of their own and one port."""

    def __init__(self, upstream, dns):
        self.upstream, self.dns, self.replicas = upstream, dns, {}
        self.port = free_port(ONE, TWO, THREE)

    def start(self, *addresses, handler=names_itself):
        for address in addresses:
            self.replicas[address] = self.upstream(handler, address=address, port=self.port)

    def announce(self, *words):
        self.dns.set("tasks.patient", " ".join(words))

    def keys(self, **more):
        return {"patient": {"url": f"http://tasks.patient:{self.port}", **more}}

    def count(self):
        return sum(len(replica.requests) for replica in self.replicas.values())


@pytest.fixture
def service(upstream, dns):
    return Service(upstream, dns)


@pytest.fixture
def serve(gateway, service, client):
    """serve(addresses, **upstream keys): a gateway that has found them."""
    def start(*addresses, workers=1, **keys):
        service.announce(*addresses)
        started = gateway(service.keys(**keys), [{"path": "/", "fallback": FALLBACK}], workers=workers,
                          dns={"servers": [f"127.0.0.1:{service.dns.port}"], "refresh": "100ms", "timeout": "1s"})
        return started, client(started)

    return start


def body_of(connection):
    return connection.request().body.decode()


def test_all_endpoints_are_used(service, serve):
    service.start(ONE, TWO, THREE)
    _, connection = serve(ONE, TWO, THREE)
    assert {body_of(connection) for _ in range(60)} == {ONE, TWO, THREE}


def test_round_robin_is_even(service, serve):
    service.start(ONE, TWO)
    _, connection = serve(ONE, TWO, balance="round_robin")
    for _ in range(20):
        connection.request()
    assert [len(service.replicas[address].requests) for address in (ONE, TWO)] == [10, 10]


def share_of_two(connection):
    """How many of 400 requests went to the second endpoint."""
    return sum(body_of(connection) == TWO for _ in range(400))


@pytest.mark.parametrize("slow_start, expected", [("1h", range(1, 100)), ("1ms", range(100, 300)), ("off", range(100, 300))])
def test_a_new_replica_warms_up(service, serve, slow_start, expected):
    service.start(ONE, TWO)
    _, connection = serve(ONE, slow_start=slow_start)
    service.announce(ONE, TWO)
    until(lambda: body_of(connection) == TWO)
    assert share_of_two(connection) in expected


def test_replicas_that_were_there_first_need_not_warm_up(service, serve):
    service.start(ONE, TWO)
    _, connection = serve(ONE, TWO, slow_start="1h")
    assert share_of_two(connection) in range(100, 300)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_connection_goes_to_another_endpoint(service, serve, method):
    service.start(ONE)
    started, connection = serve(ONE, TWO)
    for _ in range(20):
        response = connection.request(method, body=b"hello")
        assert (response.status, response.body) == (200, ONE.encode())
    assert service.count() == 20
    assert max(line["attempts"] for line in started.log(20)) == 2


def test_nobody_there(service, serve):
    started, connection = serve(ONE, TWO)
    response = connection.request()
    assert (response.status, response.body) == (503, FALLBACK.encode())
    assert started.log(1)[0]["outcome"] == "connect_failed"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_idle_connection_that_died_is_replaced(gateway, upstream, client, method):
    """The upstream closes after each answer, without saying so, and the gateway finds out when it is told or when it writes."""
    def answer_and_close(connection, request):
        connection.reply()
        connection.close()

    behind = upstream(answer_and_close)
    connection = client(gateway(behind, workers=1))
    for number in range(30):
        response = connection.request(method, f"/{number}")
        assert (number, response.status) == (number, 200) or method == "POST" and response.status == 503
    assert len({request.target for request in behind.requests}) == len(behind.requests) or method == "GET"


def test_a_connection_that_dies_under_an_idempotent_request(service, serve):
    service.start(ONE)
    service.start(TWO, handler=resetting)
    started, connection = serve(ONE, TWO, ejection="off", retry={"attempts": 1, "budget": "100%"})
    for _ in range(10):
        assert connection.request("PUT", body=b"hello").body == ONE.encode()
    assert any(line["attempts"] == 2 for line in started.log(10))


def babbling(connection, request):
    connection.send("this is no HTTP\r\n\r\n")


def test_an_answer_that_is_no_http_is_asked_for_elsewhere(service, serve):
    service.start(ONE)
    service.start(TWO, handler=babbling)
    started, connection = serve(ONE, TWO, ejection="off", breaker="off", retry={"attempts": 1, "budget": "100%"})
    assert {connection.request().body for _ in range(10)} == {ONE.encode()}
    assert any(line["attempts"] == 2 for line in started.log(10))


@pytest.mark.parametrize("die", [resetting, closing, babbling])
def test_a_post_is_never_sent_twice(service, serve, die):
    service.start(ONE)
    service.start(TWO, handler=die)
    _, connection = serve(ONE, TWO, ejection="off", breaker="off")
    for number in range(20):
        response = connection.request("POST", f"/{number}", body=b"hello")
        assert response.status in (200, 502 if die is babbling else 503)
    targets = [request.target for replica in service.replicas.values() for request in replica.requests]
    assert sorted(targets) == sorted(set(targets)) and len(targets) == 20


def test_a_503_is_tried_elsewhere_only_where_that_is_safe(service, serve):
    service.start(ONE)
    service.start(TWO, handler=lambda connection, request: connection.reply(503, b"busy"))
    _, connection = serve(ONE, TWO, ejection="off", breaker="off", retry={"attempts": 1, "budget": "100%"})
    assert {connection.request("GET").status for _ in range(20)} == {200}
    assert {connection.request("POST", body=b"x").status for _ in range(20)} == {200, 503}


def test_a_sick_endpoint_rests(service, serve):
    service.start(ONE)
    service.start(TWO, handler=lambda connection, request: connection.reply(500, b"broken"))
    _, connection = serve(ONE, TWO, breaker="off", balance="round_robin",
                          ejection={"consecutive_failures": 3, "for": "60s"})
    for _ in range(60):
        connection.request()
    assert len(service.replicas[TWO].requests) == 3
    assert body_of(connection) == ONE


def test_an_ejected_endpoint_is_asked_when_the_others_fail(service, serve):
    """It may be well again, as this one is; a request that was refused everywhere else must find that out."""
    service.start(ONE, handler=lambda connection, request: connection.reply(500, b"broken"))
    service.start(TWO)
    _, connection = serve(ONE, TWO, breaker="off", balance="round_robin", ejection={"consecutive_failures": 3, "for": "60s"})
    until(lambda: len(service.replicas[ONE].requests) >= 3 or not connection.request(), "ejection")
    service.replicas[ONE].handler = names_itself
    assert {body_of(connection) for _ in range(10)} == {TWO}
    service.replicas[TWO].stop()
    assert body_of(connection) == ONE


def test_an_ejected_endpoint_comes_back(service, serve):
    service.start(ONE)
    service.start(TWO, handler=lambda connection, request: connection.reply(500, b"broken"))
    _, connection = serve(ONE, TWO, breaker="off", balance="round_robin",
                          ejection={"consecutive_failures": 3, "for": "200ms"})
    until(lambda: len(service.replicas[TWO].requests) >= 3 or not connection.request(), "ejection")
    service.replicas[TWO].handler = names_itself
    until(lambda: body_of(connection) == TWO, "back again")


def test_the_last_endpoint_is_never_ejected(service, serve):
    service.start(ONE, handler=lambda connection, request: connection.reply(500, b"broken"))
    started, connection = serve(ONE, breaker="off", ejection={"consecutive_failures": 1, "max_share": "100%"})
    assert {connection.request().body for _ in range(20)} == {b"broken"}

    def endpoint():
        (one,) = started.admin("/upstreams/patient")["endpoints"]
        return one["state"], one["ejections"], one["failuresInARow"]

    until(lambda: endpoint() == ("available", 0, 20), "the last of them is counted, soon after its answer")
    assert started.metrics().sum("gateway_endpoint_ejected") == 0
    assert not started.has_said("is ejected")


def test_only_an_endpoint_that_is_passed_over_is_shown_as_ejected(service, serve):
    service.start(ONE, TWO, handler=lambda connection, request: connection.reply(500, b"broken"))
    started, connection = serve(ONE, TWO, breaker="off", ejection={"consecutive_failures": 1})
    for _ in range(20):
        assert connection.request().status == 500
    endpoints = started.admin("/upstreams/patient")["endpoints"]
    assert sorted(endpoint["state"] for endpoint in endpoints) == ["available", "ejected"]
    assert [endpoint["ejectedForMs"] > 0 for endpoint in endpoints] == [endpoint["state"] == "ejected" for endpoint in endpoints]
    assert started.metrics().sum("gateway_endpoint_ejected") == 1
    until(lambda: started.has_said("is ejected"), "a line for it")


def test_a_replica_appears_and_another_goes(service, serve):
    service.start(ONE, TWO)
    _, connection = serve(ONE)
    assert {body_of(connection) for _ in range(10)} == {ONE}
    service.announce(ONE, TWO)
    until(lambda: body_of(connection) == TWO, "the new replica")
    service.announce(TWO)
    until(lambda: {body_of(connection) for _ in range(10)} == {TWO}, "the old one is let go")


def test_a_withdrawn_endpoint_finishes_what_it_has(service, serve, client):
    release = threading.Event()

    def held(connection, request):
        release.wait(30)
        names_itself(connection, request)

    service.start(ONE, handler=held)
    service.start(TWO)
    started, connection = serve(ONE)
    connection.ask()
    service.replicas[ONE].wait_for(1)
    service.announce(TWO)
    other = client(started)
    until(lambda: (other.ask(), other.answer())[1].body == TWO.encode() if service.dns.count() > 2 and
          started.endpoints() == [f"{TWO}:{service.port}"] else False, "the new one is used")
    release.set()
    assert connection.answer().body == ONE.encode()


def test_a_name_that_is_gone_twice_means_nobody(service, serve):
    service.start(ONE)
    started, connection = serve(ONE)
    assert body_of(connection) == ONE
    service.announce("NXDOMAIN")
    service.replicas[ONE].stop()
    response = until(lambda: (got := connection.request()).status == 503 and got, "the fallback")
    assert response.body == FALLBACK.encode()
    until(lambda: connection.request() and started.log() and started.log()[-1]["outcome"] == "no_endpoint", "a line that says so")
    service.start(ONE)
    service.announce(ONE)
    until(lambda: connection.request().status == 200, "it is found again")


# ---- the breaker and new addresses -----------------------------------------------------------------------------------------

OPENS_FOR_A_MINUTE = {"minimum_calls": 4, "open_for": "60s", "half_open_calls": 2}


def open_breaker(started, connection):
    until(lambda: connection.request() and started.breaker()["state"] == "OPEN", "it opens")


@pytest.mark.parametrize("how", ["fail", "are gone", "time out"])
def test_an_open_breaker_probes_as_soon_as_every_address_is_new(service, serve, how):
    """A service that was removed and deployed again, or a bad image that was rolled back: open_for would be a minute."""
    held = threading.Event()
    service.start(ONE, handler={"fail": failing, "time out": lambda connection, request: held.wait(30)}.get(how, plain))
    if how == "are gone":
        service.replicas[ONE].stop()
    started, connection = serve(ONE, workers=2, breaker=OPENS_FOR_A_MINUTE, timeouts={"response": "100ms"}, retry={"attempts": 0})
    open_breaker(started, connection)
    service.start(TWO)
    service.announce(TWO)
    until(lambda: body_of(connection) == TWO, "it is probed")
    held.set()
    until(lambda: body_of(connection) == TWO and started.breaker()["state"] == "CLOSED", "it closes")


def test_an_open_breaker_probes_those_that_had_no_part_in_it(service, serve):
    service.start(ONE, handler=failing)
    service.start(TWO)
    started, connection = serve(ONE, TWO, breaker=OPENS_FOR_A_MINUTE, balance="round_robin", ejection="off", retry={"attempts": 0})
    open_breaker(started, connection)
    service.announce(TWO)
    until(lambda: body_of(connection) == TWO, "it is probed")


@pytest.mark.parametrize("left", ["the one that failed", "one that was slow"])
def test_an_open_breaker_waits_while_one_that_failed_is_left(service, serve, left):
    def slow(connection, request):
        threading.Event().wait(0.05)
        names_itself(connection, request)

    is_slow = left == "one that was slow"
    service.start(ONE, TWO, handler=slow if is_slow else failing)
    service.start(THREE)
    # In turns: by chance one of them might have got no call that fails.
    started, connection = serve(ONE, TWO, balance="round_robin", retry={"attempts": 0},
                                breaker={**OPENS_FOR_A_MINUTE, **({"slow_call": "20ms"} if is_slow else {})})
    open_breaker(started, connection)
    for addresses in ([ONE], [ONE, THREE], [ONE, TWO, THREE]):
        service.announce(*addresses)
        until(lambda: len(started.endpoints()) == len(addresses), "the new set")
        assert connection.request().body == FALLBACK.encode()
    service.announce(THREE)
    until(lambda: body_of(connection) == THREE, "nobody is left of those that failed")


@pytest.mark.parametrize("trouble", ["SERVFAIL", "SILENT"])
def test_trouble_with_dns_keeps_the_last_good_set(service, serve, trouble):
    service.start(ONE)
    _, connection = serve(ONE)
    service.announce(trouble)
    for _ in range(3):
        service.dns.wait_for_more("tasks.patient", 3)
        assert body_of(connection) == ONE


def test_a_truncated_answer_is_asked_for_again_over_tcp(service, serve):
    service.start(ONE)
    _, connection = serve("TRUNCATE", ONE)
    until(lambda: connection.request().body == ONE.encode(), "found over TCP")
    until(lambda: any(query[2] == "tcp" for query in service.dns.queries), "the server says so")


def test_two_hundred_addresses(service, serve):
    service.start(ONE)
    started, connection = serve(*[f"127.0.{7 + n // 100}.{n % 100 + 1}" for n in range(200)])
    until(lambda: len(started.endpoints()) == 200, "all are found")


def test_a_name_is_not_asked_for_too_often(service, serve):
    service.start(ONE)
    started, connection = serve(ONE, TWO)
    before = service.dns.count("tasks.patient")
    for _ in range(50):
        connection.request()
    assert service.dns.count("tasks.patient") - before < 50
