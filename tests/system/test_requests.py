"""/requests: why was this refused, or slow?"""
import time

import pytest

from harness import closing, free_port, until


def ask(gateway, query=""):
    told = gateway.admin("/requests" + query)
    assert "workersMissing" not in told
    return told["requests"]


def test_a_request_that_its_upstream_did_not_answer_is_found_by_its_id(gateway, upstream, client):
    behind = upstream(closing)
    started = gateway(behind, defaults={"retry": {"attempts": 0}})
    client(started).request(target="/lost/7?x=1", headers={"X-Request-Id": "abc-123"})
    identity = started.log(1)[0]["request_id"]
    (one,) = ask(started, f"?id={identity}")
    assert (one["kind"], one["status"], one["outcome"], one["method"], one["path"]) == \
        ("failed", 503, "upstream_reset", "GET", "/lost/7?x=1")
    assert one["upstream"] == "patient" and one["endpoint"] == f"127.0.0.1:{behind.port}" and one["attempts"] == 1
    assert one["reason"] and one["breaker"] == "closed" and one["requestId"] == identity
    assert one["attemptUs"] <= one["connectedUs"] <= one["sentUs"] <= one["wholeUs"] < 10_000_000
    assert "firstByteUs" not in one and abs(one["wallMs"] / 1000 - time.time()) < 60
    assert ask(started, "?id=another") == []


def test_refused_requests_say_why(gateway, upstream, client):
    started = gateway(upstream(), [{"path": "/patient"}])
    started.force("FORCE_OPEN")
    connection = client(started)
    connection.request(target="/patient")
    connection.request(target="/nowhere")
    by_kind = {one["kind"]: one for one in ask(started)}
    refused, lost = by_kind["refused"], by_kind["client"]
    assert refused["outcome"] == "breaker_open" and refused["breaker"] == "forced_open" and refused["attempts"] == 0
    assert "attemptUs" not in refused and "endpoint" not in refused
    assert lost["outcome"] == "not_found" and "upstream" not in lost
    assert [one["kind"] for one in ask(started, "?kind=refused")] == ["refused"]
    assert [one["kind"] for one in ask(started, "?upstream=patient")] == ["refused"]


def test_a_slow_request_is_there_and_a_quick_one_is_not(gateway, upstream, client):
    held = []
    started = gateway(upstream(lambda connection, request: held.append(connection) if request.target == "/slow"
                               else connection.reply()), defaults={"breaker": {"slow_call": "20ms"}})
    connection = client(started)
    connection.request(target="/quick")
    connection.ask(target="/slow")
    until(lambda: held, "the request at the upstream")
    time.sleep(0.02)  # what it is about
    held[0].reply()
    connection.answer()
    slow = [one for one in ask(started) if one["path"] == "/slow"]
    assert [one["kind"] for one in slow] == ["slow"] and slow[0]["firstByteUs"] >= 20_000 and "reason" not in slow[0]


def test_a_storm_of_one_kind_pushes_out_nothing_of_another(gateway, upstream, client):
    started = gateway(upstream(), [{"path": "/patient"}], workers=1)
    started.force("FORCE_OPEN")
    connection = client(started)
    connection.request(target="/patient/first")
    for number in range(2000):
        connection.request(target=f"/nowhere/{number}")
    storm = [one["path"] for one in ask(started, "?kind=client")]
    assert 32 <= len(storm) <= 64 and len(set(storm)) == len(storm)
    assert [one["path"] for one in ask(started, "?kind=refused")] == ["/patient/first"]


HOSTILE = "/'onload=alert(1);//%3Cscript%3E" + "a" * 400


def test_what_a_client_chose_stays_text(gateway, upstream, client):
    started = gateway(upstream(), [{"path": "/patient"}])
    client(started).request(target=HOSTILE, headers={"X-Request-Id": "<img src=x onerror=alert(1)>"})
    status, headers, text = started.ask_admin("/requests")
    assert status == 200 and headers["Content-Type"] == "application/json" and headers["X-Content-Type-Options"] == "nosniff"
    (one,) = ask(started)
    assert one["path"] == HOSTILE[:200]


def test_refused_heads_are_there_too(gateway, upstream, client):
    started = gateway(upstream())
    connection = client(started)
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\nX y\r\n\r\n")
    connection.answer()
    (one,) = until(lambda: ask(started), "the request")
    assert one["kind"] == "client" and one["outcome"] == "request_refused" and one["status"] == 400


@pytest.mark.parametrize("query", ["?id=" + "%00" * 5, "?id=%ff%fe", "?kind=nonsense", "?id=" + "x" * 3000])
def test_questions_that_make_no_sense(gateway, upstream, client, query):
    started = gateway(upstream(), [{"path": "/patient"}])
    client(started).request(target="/nowhere")
    assert ask(started, query) == []


def test_an_ejection_is_an_event(gateway, upstream, client, dns):
    port = free_port("127.0.0.11", "127.0.0.12")
    for last in (11, 12):
        upstream(closing, address=f"127.0.0.{last}", port=port)
    dns.set("tasks.patient", "127.0.0.11 127.0.0.12")
    started = gateway({"patient": {"url": f"http://tasks.patient:{port}", "ejection": {"consecutive_failures": 1}}},
                      dns={"servers": [f"127.0.0.1:{dns.port}"]})
    client(started).request()
    event = until(lambda: next((event for event in started.admin("/cluster/self")["events"] if event["kind"] == "ejection"), None),
                  "an ejection")
    assert event["upstream"] == "patient" and "is ejected" in event["text"]
    started.must_say("is ejected")
