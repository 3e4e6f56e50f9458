"""Rate limits: what is let through, what a refusal says, whose requests are counted together, and what outlives a reload."""
import os
import re
import threading
import time

from harness import Client, until
from process import IS_SANITIZED


def limited(path="/", **keys):
    return [{"path": path, "rate_limit": keys}]


def statuses(connection, count, **options):
    return [connection.request(**options).status for _ in range(count)]


def counted(running, result, route="/"):
    return running.metrics().sum("gateway_rate_limit_requests_total", route=route, result=result)


def test_a_burst_and_then_a_refusal(gateway, upstream, client):
    behind = upstream()
    running = gateway(behind, limited(rate="1/h", burst=3))
    connection = client(running)
    assert statuses(connection, 5) == [200, 200, 200, 429, 429]
    refused = connection.request()
    assert refused.status == 429
    assert int(refused.get("Retry-After")) in range(3500, 3601)
    assert refused.get("RateLimit") is None
    assert refused.body == b"Too Many Requests: the route's rate limit is reached\n"
    assert len(behind.requests) == 3
    assert (counted(running, "allowed"), counted(running, "refused"), counted(running, "dry_run")) == (3, 3, 0)
    lines = running.log(6)
    assert [line["outcome"] for line in lines] == ["answered"] * 3 + ["rate_limited"] * 3
    assert running.metrics().sum("gateway_requests_total", outcome="rate_limited") == 3


def test_a_refusal_is_no_call(gateway, upstream, client):
    """The breaker, which would open at the first failure, hears of none."""
    running = gateway({"patient": {"url": upstream(), "breaker": {"minimum_calls": 1, "failure_rate": "1%"}}},
                      limited(rate="1/h", burst=1))
    connection = client(running)
    assert statuses(connection, 20) == [200] + [429] * 19
    breaker = running.breaker()
    assert (breaker["state"], breaker["bufferedCalls"], breaker["notPermittedCalls"]) == ("CLOSED", 1, 0)


def test_retry_after_is_true(gateway, upstream, client):
    running = gateway(upstream(), limited(rate="1/s", burst=1))
    connection = client(running)
    refused = until(lambda: (answer := connection.request()).status == 429 and answer, "a refusal")
    assert refused.get("Retry-After") == "1"
    began = time.monotonic()
    until(lambda: time.monotonic() - began >= 1, "a second is over")
    assert connection.request().status == 200


def test_the_body_of_a_refused_request_is_read(gateway, upstream, client):
    """The connection goes on with the next request."""
    running = gateway(upstream(), limited(rate="1/h", burst=1))
    connection = client(running)
    assert connection.request("POST", body=b"x" * 100).status == 200
    assert connection.request("POST", body=b"x" * 100).status == 429
    assert connection.request("POST", body=b"x" * 100).status == 429


def test_another_status(gateway, upstream, client):
    running = gateway(upstream(), limited(rate="1/h", burst=1, status=503))
    connection = client(running)
    assert statuses(connection, 2) == [200, 503]
    assert running.log(2)[1]["outcome"] == "rate_limited"


def test_fields_that_tell_the_limit(gateway, upstream, client):
    running = gateway(upstream(), limited(rate="1/h", burst=3, headers="on"))
    connection = client(running)
    answers = [connection.request() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert {answer.get("RateLimit-Policy") for answer in answers} == {'"default";q=3;w=10800'}
    told = [re.fullmatch(r'"default";r=(\d);t=(\d+)', answer.get("RateLimit")).groups() for answer in answers]
    assert [left for left, _ in told] == ["2", "1", "0", "0"]
    for (_, seconds), hours in zip(told, (1, 2, 3, 3)):
        assert 3600 * hours - 100 < int(seconds) <= 3600 * hours


def test_fields_of_the_upstream_are_replaced(gateway, upstream, client):
    def handler(connection, request):
        connection.reply(200, b"", [("RateLimit", '"x";r=9'), ("RateLimit", '"y";r=9')])

    running = gateway(upstream(handler), limited(rate="60/m", burst=3, headers="on"))
    assert client(running).request().get("RateLimit") == '"default";r=2;t=1'


def test_dry_run_refuses_nothing(gateway, upstream, client):
    running = gateway(upstream(), limited(rate="1/h", burst=1, dry_run="on"))
    assert statuses(client(running), 5) == [200] * 5
    assert (counted(running, "allowed"), counted(running, "refused"), counted(running, "dry_run")) == (1, 0, 4)
    until(lambda: running.has_said("route /: rate_limit would refuse requests now, as of 127.0.0.1"), "it is logged")
    assert len([line for line in running.errors if "would refuse" in line]) == 1


def test_clients_are_apart(gateway, upstream):
    running = gateway(upstream(), limited(rate="1/h", burst=2))
    for address in ("127.0.0.2", "127.0.0.3"):
        connection = Client(running.port, source=address)
        assert statuses(connection, 3) == [200, 200, 429]
        connection.close()


def test_clients_that_a_trusted_proxy_names(gateway, upstream, client):
    running = gateway(upstream(), limited(rate="1/h", burst=1), trusted_proxies=["127.0.0.1"])
    connection = client(running)

    def ask(asked_for):
        return connection.request(headers={"X-Forwarded-For": asked_for}).status

    assert [ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.2")] == [200, 429, 200]
    # IPv6: the first 64 bits are one client; an address of IPv4 written as one of IPv6 is the same client.
    assert [ask("2001:db8:1:2::1"), ask("2001:db8:1:2:ffff::9"), ask("2001:db8:1:3::1")] == [200, 429, 200]
    assert [ask("::ffff:192.0.2.1"), ask("::ffff:192.0.2.9")] == [429, 200]


def test_an_untrusted_client_can_not_name_another(gateway, upstream, client):
    running = gateway(upstream(), limited(rate="1/h", burst=1))
    connection = client(running)
    assert [connection.request(headers={"X-Forwarded-For": f"192.0.2.{i}"}).status for i in range(3)] == [200, 429, 429]


def test_by_field(gateway, upstream, client):
    running = gateway(upstream(), limited(rate="1/h", burst=1, key="header:X-Api-Key"))
    connection = client(running)

    def ask(*fields):
        return connection.request(headers=list(fields)).status

    assert [ask(("X-Api-Key", "a")), ask(("x-api-KEY", "a")), ask(("X-Api-Key", "b"))] == [200, 429, 200]
    # Without the field all are one, and so are those that try two of them.
    assert [ask(), ask(), ask(("X-Api-Key", ""),)] == [200, 429, 429]
    assert [ask(("X-Api-Key", "c"), ("X-Api-Key", f"{i}")) for i in range(2)] == [429, 429]
    assert [ask(("X-Api-Key", "c"), ("X_Api_Key", f"{i}")) for i in range(2)] == [429, 429]
    assert ask(("X-Api-Key", "c")) == 200
    # Most services ignore the other spelling, and the service does not get what Connection names.
    assert [ask(("X_Api_Key", f"d{i}")) for i in range(2)] == [429, 429]
    assert [ask(("Connection", "X-Api-Key"), ("X-Api-Key", f"d{i}")) for i in range(2)] == [429, 429]
    assert ask(("Connection", "X_Api_Key"), ("X_Api_Key", "e"), ("X-Api-Key", "d0")) == 200


def test_one_limit_for_a_route(gateway, upstream):
    running = gateway(upstream(), [{"path": "/a", "rate_limit": {"rate": "1/h", "burst": 2, "key": "route"}},
                                   {"path": "/b", "rate_limit": {"rate": "1/h", "burst": 1, "key": "route"}}, {"path": "/c"}])
    connections = [Client(running.port, source=f"127.0.0.{i}") for i in range(2, 6)]
    assert sorted(connection.request(target="/a").status for connection in connections) == [200, 200, 429, 429]
    assert sorted(connection.request(target="/b").status for connection in connections) == [200, 429, 429, 429]
    assert {connection.request(target="/c").status for connection in connections} == {200}
    for connection in connections:
        connection.close()


def test_a_wrong_method_costs_nothing(gateway, upstream, client):
    running = gateway(upstream(), [{"path": "/", "methods": ["GET"], "rate_limit": {"rate": "1/h", "burst": 1}}])
    connection = client(running)
    assert [connection.request("POST").status, connection.request().status, connection.request().status] == [405, 200, 429]


def test_exact_over_all_workers(gateway, upstream):
    """64 clients over four workers share one burst."""
    running = gateway(upstream(), limited(rate="1/h", burst=100, key="route"), workers=4)
    connections = [Client(running.port) for _ in range(64)]
    for _ in range(4):
        for connection in connections:
            connection.ask()
        for connection in connections:
            connection.answer()
    for connection in connections:
        connection.close()
    assert (counted(running, "allowed"), counted(running, "refused")) == (100, 156)


def test_the_count_outlives_a_reload(gateway, upstream, client):
    """As long as rate, burst and key stay; what is counted never falls."""
    behind = upstream()
    running = gateway(behind, limited(rate="1/h", burst=2))
    assert statuses(client(running), 3) == [200, 200, 429]
    running.configure(behind, limited(rate="1/h", burst=2, headers="on", status=503))
    assert "in use now" in running.reload()
    assert client(running).request().status == 503
    running.configure(behind, limited(rate="1/h", burst=3))
    assert "in use now" in running.reload()
    connection = client(running)
    until(lambda: connection.request().status == 200, "another limit begins anew")
    assert counted(running, "allowed") >= 3


def test_a_route_without_a_limit_has_no_metric(gateway, upstream, client):
    running = gateway(upstream())
    assert client(running).request().status == 200
    assert "rate_limit_requests_total" not in running.metrics().text


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_a_flood_of_keys_takes_no_more_memory(gateway, upstream, client):
    """Two thousand keys in batches, by four clients at once; the unit test has a million."""
    running = gateway(upstream(), limited(rate="100/h", burst=100, key="header:Key"))
    connection = client(running)
    connection.request(headers={"Key": "first"})
    before = resident_bytes(running.process.pid)

    def flood(first):
        mine = Client(running.port)
        for batch in range(10):
            mine.send("".join(f"GET / HTTP/1.1\r\nHost: h\r\nKey: {first}-{batch}-{i}\r\n\r\n" for i in range(50)))
            for _ in range(50):
                assert mine.answer().status == 200
        mine.close()

    threads = [threading.Thread(target=flood, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(running, "allowed") == 2001
    assert IS_SANITIZED or resident_bytes(running.process.pid) - before < 16 << 20


def test_what_the_file_may_say(gateway, upstream):
    behind = upstream()
    running = gateway(behind)
    for keys, words in (({"rate": "10"}, "rate takes calls in a time"), ({"rate": "0/s"}, "rate must be between"),
                        ({"rate": "10/y"}, "rate takes calls in a time"), ({"burst": 3}, "rate_limit has no rate"),
                        ({"rate": "1/d", "burst": 8}, "longer than seven days"), ({"rate": "1/s", "key": "ip"}, "key is client"),
                        ({"rate": "1/s", "key": "header:a b"}, "key is client"), ({"rate": "1/s", "status": 200}, "status must be")):
        running.configure(behind, limited(**keys))
        assert words in running.reload(), keys
        assert re.search("keeps the old configuration", running.stderr)
