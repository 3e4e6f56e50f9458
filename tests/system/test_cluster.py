"""Several gateways that know each other by one DNS name: what each tells, what one page shows of all, and overrides that hold on
all of them. The gateways listen on addresses of their own within 127.0.0.0/8 and on one port, as containers do."""
import contextlib
import itertools
import json
import os
import signal
import socket
import threading
import time

import pytest

import process
from harness import Client, Upstream, ended_after, failing, free_port, until

NAME = "tasks.gateway"


class Member(process.Gateway):
    """One of several; `address` is where its admin listener is."""

    def __init__(self, folder, address, port, *arguments, **options):
        self.address, self.admin_address, self.admin_port = address, address, port
        super().__init__(folder, *arguments, **options)


    def cluster(self, query=""):
        return self.admin("/cluster" + query)

    def set(self, name="patient", **wish):
        status, _, text = self.ask_admin(f"/cluster/breakers/{name}", "POST", json.dumps(wish),
                                         {"Content-Type": "application/json"})
        return status, json.loads(text)

    def state(self, name="patient"):
        return self.breaker(name)["state"]


class Cluster:
    def __init__(self, tmp_path, dns, behind):
        self.folder, self.dns, self.behind, self.members = tmp_path, dns, behind, []
        self.addresses = [f"127.77.{os.getpid() % 250 + 1}.{last}" for last in range(1, 60)]
        self.port = free_port(*self.addresses[:4])
        self.listed, self.numbers = [], itertools.count()

    def list(self, addresses):
        self.listed = list(addresses)
        self.dns.set(NAME, " ".join(self.listed) if self.listed else "NXDOMAIN")

    def start(self, index, **keys):
        folder = self.folder / f"member-{next(self.numbers)}"
        folder.mkdir()
        options = {"cluster": {"peers": f"{NAME}:{self.port}", "refresh": keys.pop("refresh", "1s")},
                   "dns": {"servers": [f"127.0.0.1:{self.dns.port}"], "refresh": "200ms"}, "access_log": "off", **keys}
        upstreams = options.pop("upstreams", self.behind)
        member = Member(folder, self.addresses[index], self.port, upstreams, **options)
        self.members.append(member)
        return member

    def stop(self):
        for member in self.members:
            member.stop()


@pytest.fixture
def cluster(tmp_path, dns, upstream):
    """cluster(count): so many gateways, all of them in DNS, each of which has heard all others."""
    made = Cluster(tmp_path, dns, upstream())

    def start(count=3, **keys):
        made.list(made.addresses[:count])
        for index in range(count):
            made.start(index, **keys)
        for member in made.members:
            until(lambda member=member: all_heard(member, count), "each hears all")
        return made

    yield start
    made.stop()


def all_heard(member, count):
    gateways = member.cluster("?seconds=1")["gateways"]
    return len(gateways) == count and all("name" in one and not one.get("error") for one in gateways)


def by_address(view):
    return {one.get("address", "").rpartition(":")[0]: one for one in view["gateways"]}


def cell(view, address, name="patient"):
    """A breaker's state by the gateway with this address."""
    index = [one.get("address", "").rpartition(":")[0] for one in view["gateways"]].index(address)
    (row,) = [row for row in view["breakers"] if row["name"] == name]
    return row["cells"][index]


def test_one_gateway_describes_itself(cluster, client):
    one = cluster(1).members[0]
    connection = client(one)
    for _ in range(5):
        connection.request()
    told = until(lambda: next((told for told in [one.admin("/cluster/self")] if told["upstreams"][0].get("requests")), None),
                 "a second with requests")
    assert told["format"] == 1 and told["instance"].startswith("gateway-") and told["state"] == "serving"
    assert len(told["config"]) == 16 and told["uptimeMs"] > 0 and told["wallMs"] > 1_700_000_000_000
    (patient,) = told["upstreams"]
    assert patient["name"] == "patient" and patient["state"] == "closed" and patient["minimumCalls"] == 20
    assert patient["failureThreshold"] == 50.0 and patient["windowMs"] == 10000 and patient["maxInFlight"] == 1024
    assert sum(map(int, patient["requests"].split())) == patient["clientRequests"] == patient["upstreamTries"] == 5
    assert patient["retriesLeft"] >= 3 and "failed" not in patient
    assert patient["endpoints"] == [{"address": f"127.0.0.1:{one_port(one)}"}]
    brief = one.admin("/cluster/self?brief")
    assert brief.keys() == told.keys() - {"second", "upstreams", "events"}


def one_port(member):
    return int(member.endpoints()[0].rpartition(":")[2])


def test_every_gateway_shows_all_of_them(cluster):
    made = cluster()
    for member in made.members:
        view = until(lambda member=member: complete(member), "cells of all")
        assert len(view["gateways"]) == 3 and view["gateways"][0]["isSelf"] is True
        assert view["gateways"][0]["address"] == f"{member.address}:{made.port}"
        assert {one["config"] for one in view["gateways"]} == {view["gateways"][0]["config"]}
        assert all(one["version"] and one["name"] for one in view["gateways"])
        (patient,) = view["breakers"]
        assert [one["state"] for one in patient["cells"]] == ["closed"] * 3
        (endpoint,) = view["endpoints"]
        assert endpoint["upstream"] == "patient" and endpoint["cells"] == [0, 0, 0]


def complete(member):
    view = member.cluster()
    return view if all(all(one is not None for one in row["cells"]) for row in view["breakers"]) else None


def test_an_outage_lasts_over_its_trials(gateway, upstream):
    """`sinceMs` begins anew with each trial of an open breaker; `refusesMs` does not."""
    breaker = {"minimum_calls": 1, "open_for": "100ms", "open_for_max": "100ms", "half_open_calls": 1}
    one = gateway({"patient": {"url": upstream(failing).url, "breaker": breaker, "ejection": "off"}})
    cell = lambda: one.admin("/cluster/self")["upstreams"][0]  # noqa: E731
    assert "refusesMs" not in cell()
    trials = 0
    while trials < 5:  # a call is counted a little after its answer, so two may come before the breaker opens
        with contextlib.closing(Client(one.port)) as connection:
            trials += connection.request().status == 500
    told = until(lambda: next((seen for seen in [cell()] if seen["state"] == "open"), None), "open again")
    assert told["refusesMs"] > told.get("sinceMs", 0) + 100  # a 0 is left out
    one.force("CLOSE")
    until(lambda: "refusesMs" not in cell(), "it refuses no more")


def test_without_peers_it_is_a_cluster_of_one(gateway, upstream):
    one = gateway(upstream())
    view = one.admin("/cluster")
    assert len(view["gateways"]) == 1 and "peers" not in view and view["gateways"][0]["isSelf"]
    assert [row["name"] for row in view["breakers"]] == ["patient"]
    for seconds, wanted in (("1", 200), ("120", 200), ("0", 400), ("121", 400), ("5x", 400), ("-18446744073709551611", 400), ("", 400), ("%", 400)):
        assert one.ask_admin(f"/cluster?seconds={seconds}")[0] == wanted, seconds


# ---- overrides --------------------------------------------------------------------------------------------------------------

def test_an_override_on_one_is_on_all(cluster, client):
    made = cluster()
    status, result = made.members[0].set(updateState="FORCE_OPEN", reason="the database is moved", **{"for": "15m"})
    assert status == 200 and result["complete"] is True and result["forMs"] == 900_000
    assert [one["result"] for one in result["gateways"]] == ["applied"] * 3
    for member in made.members:
        assert member.state() == "FORCED_OPEN"
        assert client(member).request().status == 503
        member.must_say("FORCE_OPEN for", "the database is moved")
        assert any(event["kind"] == "override" and "the database is moved" in event["text"]
                   for event in member.admin("/cluster/self")["events"])
    shown = until(lambda: next((one for one in made.members[2].cluster()["overrides"] if None not in one["results"]), None),
                  "the third has heard all results")
    assert shown["state"] == "FORCE_OPEN" and shown["reason"] == "the database is moved" and shown["results"] == ["applied"] * 3
    assert 0 < shown["leftMs"] <= 900_000


def test_a_breaker_that_only_observes_says_so_when_it_is_forced_open(cluster, upstream, client):
    made = cluster(1)
    made.list(made.addresses[:2])
    observing = made.start(1, upstreams={"patient": {"url": upstream().url, "breaker": {"mode": "observe"}}})
    for member in made.members:
        until(lambda member=member: all_heard(member, 2), "each hears all")
    for member, results in ((made.members[0], ["applied", "only observes"]), (observing, ["only observes", "applied"])):
        status, result = member.set(updateState="FORCE_OPEN")
        assert status == 200 and result["complete"] and [one["result"] for one in result["gateways"]] == results
    assert client(made.members[0]).request().status == 503 and client(observing).request().status == 200
    for wish in ("DISABLE", "METRICS_ONLY", "CLOSE"):
        _, result = observing.set(updateState=wish)
        assert [one["result"] for one in result["gateways"]] == ["applied"] * 2, wish


def test_an_override_is_undone_everywhere_by_another_gateway(cluster):
    made = cluster()
    made.members[0].set(updateState="FORCE_OPEN")
    status, result = made.members[1].set(updateState="CLOSE", reason="it is well")
    assert status == 200 and result["complete"]
    assert [member.state() for member in made.members] == ["CLOSED"] * 3


def test_an_override_ends_everywhere(cluster):
    made = cluster()
    made.members[1].set(updateState="DISABLE", **{"for": "3s"})
    assert [member.state() for member in made.members] == ["DISABLED"] * 3
    for member in made.members:
        member.wait_for_state("CLOSED")
        until(lambda member=member: member.has_said("DISABLE is over"), "word of the end")


def test_an_override_ends_while_its_breaker_is_off(cluster, upstream):
    (member,) = cluster(1).members
    behind = upstream()
    keys = {"cluster": {"peers": "off"}, "access_log": "off"}
    for wish, end in (({"updateState": "FORCE_OPEN", "for": "1s"}, "FORCE_OPEN is over"), ({"updateState": "DISABLE"}, None)):
        assert member.set(**wish)[0] == 200
        member.configure({"patient": {"url": behind.url, "breaker": "off"}}, **keys)
        member.reload()
        if end is None:
            assert member.set(updateState="CLOSE")[0] == 409
            break
        until(lambda: member.has_said(end), "it is over")
        member.configure(behind, **keys)
        member.reload()
        assert member.state() == "CLOSED"


def test_a_newer_override_that_ends_while_its_breaker_is_off_leaves_nothing_of_the_older(cluster, upstream):
    made = cluster(2)
    one, two = made.members
    behind = upstream()
    keys = {"cluster": {"peers": f"{NAME}:{made.port}"}, "dns": {"servers": [f"127.0.0.1:{made.dns.port}"]}, "access_log": "off"}
    assert one.set(updateState="DISABLE")[1]["complete"] and two.state() == "DISABLED"
    two.configure({"patient": {"url": behind.url, "breaker": "off"}}, **keys)
    two.reload()
    one.set(updateState="FORCE_OPEN", **{"for": "1s"})
    until(lambda: two.has_said("FORCE_OPEN is over"), "it is over")
    two.configure(behind, **keys)
    two.reload()
    assert two.state() == "CLOSED"


def open_by_failures(member, client, behind):
    behind.handler = failing
    connection = client(member)
    until(lambda: connection.request().status == 503, "it opens")
    assert member.state() == "OPEN"


def test_a_close_is_told_wherever_it_closes_something_and_ends_only_what_was_then(cluster, client, upstream):
    behind = upstream()
    patient = {"patient": {"url": behind.url, "ejection": "off", "retry": {"attempts": 0},
                           "breaker": {"minimum_calls": 3, "open_for": "60s"}}}
    made = cluster(2, upstreams=patient)
    one, two = made.members
    for member in made.members:
        open_by_failures(member, client, behind)
    assert one.set(updateState="CLOSE", reason="it is well")[1]["complete"]
    assert [one.state(), two.state()] == ["CLOSED"] * 2
    for member in made.members:
        member.must_say("it is well")
    made.list([two.address])
    late = made.start(2, upstreams=patient, cluster={"peers": "off"})
    open_by_failures(late, client, behind)
    late.configure(patient, cluster={"peers": f"{NAME}:{made.port}"}, dns={"servers": [f"127.0.0.1:{made.dns.port}"]}, access_log="off")
    late.reload()
    until(lambda: any(one["breaker"] == "patient" for one in late.admin("/cluster/self")["overrides"]), "it has heard of the CLOSE")
    assert late.state() == "OPEN" and not late.has_said("it is well")


def test_a_gateway_that_starts_inherits_it_before_it_serves(cluster, client):
    made = cluster(2)
    made.members[0].set(updateState="FORCE_OPEN")
    made.list(made.addresses[:3])
    third = made.start(2)
    assert third.state() == "FORCED_OPEN"
    ready = next(number for number, line in enumerate(third.errors) if "ready: " in line)
    told = next(number for number, line in enumerate(third.errors) if "FORCE_OPEN" in line)
    assert told < ready
    assert client(third).request().status == 503


def test_an_override_outlives_the_gateway_where_it_was_set(cluster):
    made = cluster()
    made.members[0].set(updateState="FORCE_OPEN")
    made.members[0].process.kill()
    made.members[0].process.wait()
    made.members.pop(0).stopped = True
    made.list([made.addresses[1], made.addresses[2], made.addresses[3]])
    late = made.start(3)
    assert late.state() == "FORCED_OPEN"
    status, result = late.set(updateState="CLOSE")
    assert status == 200 and [member.state() for member in made.members] == ["CLOSED"] * 3


def test_many_that_hang_keep_nobody_from_being_heard(cluster):
    """More than are asked at the same time accept and never answer; the last in the order of addresses does, and an override gets there."""
    made = cluster(1)
    with contextlib.ExitStack() as stack:
        for address in made.addresses[1:21]:
            stack.enter_context(socket.create_server((address, made.port)))
        made.list(made.addresses[:22])
        last = made.start(21)
        view = until(lambda: next((view for view in [made.members[0].cluster("?seconds=1")]
                                   if sum(one.get("isSilent", False) for one in view["gateways"]) == 20), None), "those that hang show as silent")
        assert not by_address(view)[last.address].get("error")
        status, result = made.members[0].set(updateState="FORCE_OPEN")
        assert status == 200 and last.state() == "FORCED_OPEN", result


def test_a_gateway_that_was_cut_off_catches_up(cluster):
    made = cluster()
    made.members[0].set(updateState="FORCE_OPEN")
    away = made.members[2]
    away.signal(signal.SIGSTOP)
    status, result = made.members[0].set(updateState="CLOSE")
    assert status == 200 and result["complete"] is False
    (silent,) = [one for one in result["gateways"] if one["result"] not in ("applied",)]
    assert "no answer" in silent["result"] and silent["address"] == f"{away.address}:{made.port}"
    view = until(lambda: next((view for view in [made.members[0].cluster()]
                               if by_address(view)[away.address].get("isSilent")), None), "it shows as silent")
    assert cell(view, away.address) is None and by_address(view)[away.address]["ageMs"] > 0
    away.signal(signal.SIGCONT)
    away.wait_for_state("CLOSED")


@pytest.mark.skipif(process.IS_SANITIZED, reason="needs libfaketime, which some sanitizers don't start with")
def test_the_last_word_wins_though_clocks_differ(cluster, tmp_path):
    made = cluster(2)
    made.list(made.addresses[:3])
    library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
    if not os.path.exists(library):
        pytest.skip("libfaketime is not installed")
    late = made.start(2, env={**os.environ, "LD_PRELOAD": library, "FAKETIME": "-3h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    until(lambda: all_heard(late, 3), "it hears all")
    assert made.members[0].set(updateState="FORCE_OPEN")[1]["complete"]
    assert late.state() == "FORCED_OPEN"
    assert late.set(updateState="METRICS_ONLY", **{"for": "3s"})[1]["complete"]
    assert [member.state() for member in made.members] == ["METRICS_ONLY"] * 3
    for member in made.members:
        member.wait_for_state("CLOSED")
    gateways = by_address(made.members[0].cluster())
    assert -10_900_000 < gateways[late.address]["clockMs"] < -10_700_000


@pytest.mark.parametrize("wish,words", [
    ({"updateState": "OPEN"}, "updateState"), ({"updateState": "CLOSE", "for": "1m"}, "CLOSE has no end"),
    ({"updateState": "FORCE_OPEN", "for": "25h"}, "24h"), ({"updateState": "FORCE_OPEN", "for": "500ms"}, "from 1s"),
    ({"updateState": "FORCE_OPEN", "reason": "x" * 201}, "200 bytes"), ({"updateState": "FORCE_OPEN", "reason": "a\nb"}, "one line"),
    ({"updateState": "FORCE_OPEN", "until": "1m"}, "it takes"), ({"updateState": "FORCE_OPEN", "reason": 7}, "text")])
def test_a_wish_that_is_no_good_changes_nothing(cluster, wish, words):
    one = cluster(1).members[0]
    status, error = one.set(**wish)
    assert status == 400 and words in error["message"]
    assert one.state() == "CLOSED" and one.cluster()["overrides"] == []


def test_setting_an_override_needs_the_right(cluster, tmp_path):
    token = tmp_path / "token"
    token.write_text("a-token-that-is-long-enough")
    made = cluster(1)
    one = made.start(1, admin={"listen": f"{made.addresses[1]}:{made.port}", "token_file": str(token)}, cluster=None)
    body = json.dumps({"updateState": "FORCE_OPEN"})
    for headers, wanted in [({}, 401), ({"Authorization": "Bearer wrong"}, 401),
                            ({"Authorization": "Bearer a-token-that-is-long-enough", "Content-Type": "text/plain"}, 415),
                            ({"Authorization": "Bearer a-token-that-is-long-enough"}, 200)]:
        assert one.ask_admin("/cluster/breakers/patient", "POST", body, headers)[0] == wanted
    plain = made.members[0]
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert plain.ask_admin("/cluster/breakers/patient", "POST", body, headers)[0] == 403
    assert plain.state() == "CLOSED"
    assert plain.ask_admin("/cluster/breakers/nobody", "POST", body)[0] == 404
    assert plain.ask_admin("/cluster/breakers/patient")[0] == 405


def test_a_reload_keeps_an_override(cluster, upstream):
    one = cluster(1).members[0]
    one.set(updateState="FORCE_OPEN")
    one.configure(upstream(), cluster={"peers": "off"})  # another port: another upstream behind the same name
    one.reload()
    one.wait_for_state("FORCED_OPEN")


def test_a_change_on_one_gateway_is_told_and_outlives_reloads(cluster, upstream):
    made = cluster(2)
    one, two = made.members
    keys = {"cluster": {"peers": f"{NAME}:{made.port}"}, "dns": {"servers": [f"127.0.0.1:{made.dns.port}"]}, "access_log": "off"}

    def shown(state, result):
        until(lambda: [one["results"] for one in one.cluster()["overrides"]] == [["applied", result]], f"it is told: {result}")
        assert two.cluster()["overrides"][0]["results"][0] == result and two.state() == state

    assert one.set(updateState="FORCE_OPEN", **{"for": "4h"})[1]["complete"]
    shown("FORCED_OPEN", "applied")
    two.force("CLOSE")
    shown("CLOSED", "changed here")
    two.reload()
    shown("CLOSED", "changed here")
    other = upstream()  # another port: another upstream behind the same name
    for settings in ({"url": other.url}, {"url": other.url, "breaker": "off"}, {"url": other.url}):
        two.configure({"patient": settings}, **keys)
        two.reload()
    shown("CLOSED", "changed here")
    two.configure({"ward": other}, **keys)
    two.reload()
    until(lambda: one.cluster()["overrides"][0]["results"] == ["applied", "no such breaker"], "the breaker is gone")
    two.configure(other, **keys)
    two.reload()
    shown("FORCED_OPEN", "applied")  # a new breaker, which nobody changed
    two.force("DISABLE")
    shown("DISABLED", "changed here")
    assert one.set(updateState="FORCE_OPEN")[1]["complete"]
    shown("FORCED_OPEN", "applied")


# ---- peers that are ill, foreign or hostile ---------------------------------------------------------------------------------------

def respond(body, status="200 OK"):
    body = body if isinstance(body, bytes) else body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


SELF = {"format": 1, "instance": "gateway-feedfeedfeedfeed", "name": "other", "version": "9.9", "config": "0" * 16,
        "state": "serving", "wallMs": 1, "overrides": []}
NONSENSE = {
    "garbage": (respond("no JSON at all"), "no JSON object"),
    "not found": (respond("", "404 Not Found"), "answers with 404"),
    "another version": (respond(json.dumps({"format": 2})), "another version"),
    "another program": (respond(json.dumps({"status": "UP"})), "no gateway"),
    "wrong kinds": (respond(json.dumps({**SELF, "name": ["x"]})), "not as a gateway's"),
    "too large": (respond(b" " * (1024 * 1024 + 1)), "larger than allowed"),
    "not HTTP": (b"\x00\x01\x02 nonsense\r\n\r\n", "no answer"),
    "deep": (respond("[" * 100000), "more objects and lists"),
    "many parts": (respond(json.dumps({**SELF, "x": [{}] * 200_000})), "more objects and lists"),
}


class Impostor:
    """Something else on a peer's address."""

    def __init__(self, address, port, answer):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(16)
        self.answer, self.open, self.questions = answer, [], 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(accepted)
            if self.answer is None:
                continue
            threading.Thread(target=self.reply, args=(accepted,), daemon=True).start()

    def reply(self, accepted):
        try:
            while accepted.recv(65536):
                self.questions += 1
                accepted.sendall(self.answer)
        except OSError:
            pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for one in self.open:
            one.close()


@pytest.fixture
def impostor():
    yield from ended_after(Impostor)


def asked(impostor, seconds, meanwhile=lambda: None):
    """How often a second, from one question to another."""
    def next_question():
        before = impostor.questions
        until(lambda: meanwhile() or impostor.questions > before, "a question", seconds=30)
        return time.monotonic()

    began, before, now = next_question(), impostor.questions, 0
    while now < began + seconds:
        now = next_question()
    return (impostor.questions - before) / (now - began)


def test_many_peers_are_asked_less_often_while_nobody_watches(cluster, impostor):
    """59 peers at 32 questions a second are a round in 1.84 s, less a tenth by chance; the configuration asks for one in 250 ms."""
    limit = 1 / 1.65
    made = cluster(1, refresh="250ms")
    (one,) = made.members
    other = impostor(made.addresses[1], made.port, respond(json.dumps(SELF)))
    made.list(made.addresses)
    until(lambda: len(one.cluster()["gateways"]) == 59, "all are known")
    assert asked(other, 3, meanwhile=lambda: one.cluster("?seconds=1") and None) > limit
    time.sleep(11)  # nobody watches any more
    assert asked(other, 5) < limit


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_peer_that_answers_nonsense_is_shown_in_words_and_hurts_nobody(cluster, impostor, kind):
    answer, words = NONSENSE[kind]
    made = cluster(2)
    impostor(made.addresses[2], made.port, answer)
    made.list(made.addresses[:3])
    for member in made.members:
        def shown():  # a machine that is slow may not get all of a large answer in time, and asks again
            view = member.cluster()
            return view if len(view["gateways"]) == 3 and words in (by_address(view)[made.addresses[2]].get("error") or "") else None

        view = until(shown, f"it is shown: {words}")
        assert cell(view, made.addresses[2]) is None

    def applied():  # ... nor answer an order in time
        status, result = made.members[0].set(updateState="FORCE_OPEN")
        assert status == 200 and result["complete"] is False
        return sorted(one["result"] == "applied" for one in result["gateways"]) == [False, True, True]

    until(applied, "the other two do it")
    assert [member.state() for member in made.members] == ["FORCED_OPEN"] * 2


def test_a_peer_that_hangs_is_shown_in_words(cluster, impostor):
    made = cluster(2)
    impostor(made.addresses[2], made.port, None)
    made.list(made.addresses[:3])
    one = made.members[0]
    view = until(lambda: next((view for view in [one.cluster()] if len(view["gateways"]) == 3 and
                               by_address(view)[made.addresses[2]].get("isSilent")), None), "it is silent")
    assert "no answer" in by_address(view)[made.addresses[2]]["error"]
    assert cell(view, made.addresses[1])["state"] == "closed"


def test_strings_of_a_peer_stay_strings(cluster, impostor):
    evil = '<script>alert(1)</script>"\\\''
    made = cluster(1)
    upstreams = [{"name": "patient", "state": evil, "calls": "7", "failures": -1, "unknown": {"a": 1}, "requests": "1 2 x",
                  "failed": "1 2 3", "endpoints": [{"address": evil, "lastError": evil, "inFlight": 1e300}, 7, None]},
                 {"name": "line\nbreak"}, {"name": "x" * 100}, 7]
    impostor(made.addresses[1], made.port, respond(json.dumps({
        **SELF, "name": evil, "upstreams": upstreams, "events": [{"kind": evil, "text": evil, "wallMs": 5}, 7],
        "overrides": [{"breaker": "patient"}, 7, {"breaker": "patient", "state": "FORCE_OPEN", "stamp": "f" * 16, "leftMs": 1000}]})))
    made.list(made.addresses[:2])
    view = until(lambda: next((view for view in [made.members[0].cluster("?seconds=2")] if len(view["gateways"]) == 2 and
                               cell(view, made.addresses[1])), None), "its words")
    assert by_address(view)[made.addresses[1]]["name"] == evil
    assert cell(view, made.addresses[1]) == {"state": evil, "failed": "2 3"}
    assert [row["name"] for row in view["breakers"]] == ["patient"]
    (endpoint,) = [row for row in view["endpoints"] if row["address"] == evil]
    assert endpoint["cells"] == [None, {"lastError": evil, "inFlight": 1e300}]
    assert view["overrides"] == [] and made.members[0].state() == "CLOSED"


def test_events_of_one_peer_leave_room_for_those_of_the_others(cluster, impostor):
    made = cluster(2)
    events = [{"number": number, "wallMs": 4_000_000_000_000 + number, "kind": "peer", "text": "flood"} for number in range(200)]
    impostor(made.addresses[2], made.port, respond(json.dumps({**SELF, "upstreams": [], "events": events})))
    made.list(made.addresses[:3])
    one = made.members[0]
    for _ in range(10):
        one.force("FORCE_OPEN")
        one.force("CLOSE")

    def places():
        return [event["gateway"] for event in one.cluster()["events"]]
    until(lambda: set(places()) == {0, 1, 2}, "events of all")
    assert len(places()) == 200 and places().count(0) >= 20


def test_events_of_a_clock_that_is_ahead_are_in_order(cluster, impostor):
    """Of each gateway's events that the page has no room for, the oldest go, by one clock for all."""
    made = cluster(1)
    (one,) = made.members
    hour_ms = 3_600_000
    behind, ahead = ({**SELF, "instance": f"gateway-{shift}", "wallMs": int(time.time() * 1000) + shift, "upstreams": [], "events": [
        {"number": number, "wallMs": int(time.time() * 1000) + shift - 60_000 * (101 - number), "kind": "peer", "text": f"{number}"}
        for number in range(1, 101)]} for shift in (-hour_ms, hour_ms))
    for address, answer in zip(made.addresses[1:], (behind, ahead)):
        impostor(address, made.port, respond(json.dumps(answer)))
    made.list(made.addresses[:3])
    view = until(lambda: next((view for view in [one.cluster()] if {1, 2} <= {event["gateway"] for event in view["events"]}), None),
                 "events of both")
    assert len(view["events"]) == 200, "some have no room"
    for place in (1, 2):
        shown = [int(event["text"]) for event in view["events"] if event["gateway"] == place]
        assert shown == list(range(101 - len(shown), 101)) and len(shown) >= 90
    both = [(int(event["text"]), event["gateway"]) for event in view["events"] if event["gateway"] != 0]
    for number in range(20, 99):
        assert both.index((number, 1)) < both.index((number + 2, 2)) and both.index((number, 2)) < both.index((number + 2, 1))


def test_overrides_that_are_over_leave_room_for_new_ones(cluster, impostor):
    made = cluster(2)
    over = [{"breaker": f"invented-{number}", "state": "CLOSE", "origin": "x", "stamp": f"{(int(time.time() * 1000) << 16) + number:016x}"}
            for number in range(256)]
    impostor(made.addresses[2], made.port, respond(json.dumps({**SELF, "overrides": over})))
    made.list(made.addresses[:3])
    for member in made.members:
        until(lambda member=member: len(member.cluster()["overrides"]) == 256, "the table is full")
    for wish, state in (("FORCE_OPEN", "FORCED_OPEN"), ("CLOSE", "CLOSED"), ("DISABLE", "DISABLED")):
        status, result = made.members[0].set(updateState=wish)
        assert status == 200, result
        until(lambda: [member.state() for member in made.members] == [state] * 2, f"both take it: {wish}")
    for member in made.members:  # the one that gave way is told again and again
        for _ in range(2):
            before = next(one["ageMs"] for one in member.cluster()["gateways"] if one.get("name") == SELF["name"])
            until(lambda: next(one["ageMs"] for one in member.cluster()["gateways"] if one.get("name") == SELF["name"]) < before, "a new answer")
        names = {one["breaker"] for one in member.cluster()["overrides"]}
        assert names == {"patient"} | {f"invented-{number}" for number in range(1, 256)} and member.state() == "DISABLED"


def test_a_breaker_does_not_take_an_older_override_when_the_newer_one_has_given_way(cluster, impostor):
    made = cluster(1)
    (one,) = made.members
    now_ms = int(time.time() * 1000)
    older = {"breaker": "patient", "state": "FORCE_OPEN", "origin": "x", "stamp": f"{now_ms - 60_000 << 16:016x}", "leftMs": 3_600_000}
    newer = [{"breaker": f"invented-{number}", "state": "CLOSE", "origin": "x", "stamp": f"{(now_ms + 3_600_000 << 16) + number:016x}"}
             for number in range(256)]

    def tells(name, overrides):
        other.answer = respond(json.dumps({**SELF, "name": name, "overrides": overrides}))
        until(lambda: name in [gateway.get("name") for gateway in one.cluster()["gateways"]], "it was heard")
        return "patient" in [entry["breaker"] for entry in one.cluster()["overrides"]], one.state()

    other = impostor(made.addresses[1], made.port, respond(json.dumps(SELF)))
    made.list(made.addresses[:2])
    assert tells("first", [older]) == (True, "FORCED_OPEN")
    assert one.set(updateState="CLOSE")[0] == 200
    assert tells("second", newer) == (False, "CLOSED")
    assert tells("third", [older]) == (False, "CLOSED")


def test_an_override_that_an_answer_waits_for_does_not_give_way(cluster, impostor):
    made = cluster(1)
    (one,) = made.members

    def holding(count):
        return respond(json.dumps({**SELF, "overrides": [{"breaker": f"invented-{number}", "state": "DISABLE", "origin": "x", "leftMs": 3_600_000,
                                                          "stamp": f"{(int(time.time() * 1000) << 16) + number:016x}"} for number in range(count)]}))

    other = impostor(made.addresses[1], made.port, holding(255))
    made.list(made.addresses[:2])
    until(lambda: len(one.cluster()["overrides"]) == 255, "there is room for one more")
    results = []
    asking = threading.Thread(target=lambda: results.append(one.set(updateState="CLOSE")))
    asking.start()
    until(lambda: len(one.cluster()["overrides"]) == 256, "it is set")
    other.answer = holding(256)
    asking.join()
    ((status, result),) = results
    assert status == 200 and result["state"] == "CLOSE"
    until(lambda: "invented-255" in [one["breaker"] for one in one.cluster()["overrides"]], "it gives way when nobody waits any more")


def test_a_stamp_at_the_end_of_time_does_not_stop_overrides(cluster, impostor):
    """It would be above all stamps that a gateway can still give."""
    made = cluster(2)
    last = {"breaker": "patient", "state": "FORCE_OPEN", "stamp": f"{1 << 62:016x}", "origin": "x", "leftMs": 1000}
    impostor(made.addresses[2], made.port, respond(json.dumps({**SELF, "overrides": [last]})))
    made.list(made.addresses[:3])
    for member in made.members:
        until(lambda: SELF["name"] in [one.get("name") for one in member.cluster()["gateways"]], "it was heard")
    status, result = made.members[0].set(updateState="DISABLE")
    assert status == 200 and sorted(one["result"] == "applied" for one in result["gateways"]) == [False, True, True]
    assert [member.state() for member in made.members] == ["DISABLED"] * 2


def test_a_gateway_with_another_configuration_and_one_that_is_gone(cluster, upstream):
    made = cluster(2)
    made.list(made.addresses[:3])
    other = made.start(2, upstreams={"patient": upstream(), "ward": upstream()})
    one = made.members[0]
    view = until(lambda: next((view for view in [one.cluster()] if len(view["gateways"]) == 3 and
                               cell(view, other.address)), None), "the third")
    gateways = by_address(view)
    assert gateways[other.address]["config"] != gateways[one.address]["config"] == gateways[made.addresses[1]]["config"]
    assert cell(view, one.address, "ward") is None and cell(view, other.address, "ward")["state"] == "closed"
    assert other.set("ward", updateState="FORCE_OPEN")[1]["complete"]
    shown = until(lambda: next((one for one in one.cluster()["overrides"] if None not in one["results"]), None), "all results")
    assert sorted(shown["results"]) == ["applied", "no such breaker", "no such breaker"]
    made.list(made.addresses[:2])
    view = until(lambda: next((view for view in [one.cluster()] if by_address(view)[other.address].get("isGone")), None), "it is gone")
    assert "DNS names it no more" in by_address(view)[other.address]["error"]


def test_a_page_that_is_closed_while_it_waits_is_forgotten(cluster, impostor):
    made = cluster(1)
    impostor(made.addresses[1], made.port, None)
    made.list(made.addresses[:2])
    one = made.members[0]
    until(lambda: len(one.cluster()["gateways"]) == 2, "the peer")
    body = json.dumps({"updateState": "FORCE_OPEN"}).encode()
    for _ in range(20):
        with socket.create_connection((one.address, made.port)) as wire:
            wire.sendall(b"POST /cluster/breakers/patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" %
                         (len(body), body))
    until(lambda: one.state() == "FORCED_OPEN", "it is set")
    status, result = one.set(updateState="CLOSE")
    assert status == 200 and result["complete"] is False


# ---- the Hystrix dashboard ----------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def watching(member, path):
    """The messages of a stream, as they come."""
    with socket.create_connection((member.address, member.admin_port), timeout=10) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield (json.loads(line[6:]) for line in wire.makefile("r", encoding="utf-8", newline="\n") if line.startswith("data: "))


def read_stream(member, path, is_wanted):
    """The first message of a stream that is as wanted."""
    with watching(member, path) as stream:
        messages = []
        for message in stream:
            messages.append(message)
            if is_wanted(message):
                return message
            assert len(messages) < 40, [(one["requestCount"], one["reportingHosts"], one["isCircuitBreakerOpen"]) for one in messages]
    raise EOFError(messages)


def test_turbine_sums_over_all_gateways_and_the_hystrix_stream_does_not(cluster, client):
    made = cluster()
    for member in made.members:
        until(lambda member=member: member.admin("/cluster/self").get("second", 0) >= 2, "it counts")
        connection = client(member)
        for _ in range(5):
            connection.request()
    made.members[2].force("FORCE_OPEN")
    whole = read_stream(made.members[0], "/turbine.stream",
                        lambda message: message["requestCount"] == 15 and message["isCircuitBreakerOpen"] == "true: 1, false: 2")
    assert whole["reportingHosts"] == 3 and whole["name"] == "patient" and whole["rollingCountSuccess"] == 15
    assert whole["propertyValue_metricsRollingStatisticalWindowInMilliseconds"] == 30_000  # divided by reportingHosts again
    assert whole["propertyValue_circuitBreakerForceOpen"] is False and set(whole["latencyExecute"]) >= {"0", "50", "99.5", "100"}
    own = read_stream(made.members[0], "/hystrix.stream", lambda message: message["requestCount"] == 5)
    assert own["reportingHosts"] == 1 and own["isCircuitBreakerOpen"] is False and own.keys() == whole.keys()


def test_turbine_of_one_gateway_is_its_hystrix_stream(gateway, upstream, client):
    one = gateway(upstream())
    one.address = "127.0.0.1"
    until(lambda: one.admin("/cluster/self").get("second", 0) >= 2, "it counts")
    client(one).request()
    message = read_stream(one, "/turbine.stream", lambda message: message["requestCount"] == 1)
    assert message["reportingHosts"] == 1 and message["isCircuitBreakerOpen"] is False


def test_turbine_deletes_an_upstream_that_no_gateway_has_any_more(cluster, upstream):
    patient, ward = ({name: {"url": upstream().url}} for name in ("patient", "ward"))
    made = cluster(2, upstreams={**patient, **ward})
    one, two = made.members

    with watching(one, "/turbine.stream") as messages:
        def told(count=60):
            """What the stream says next of ward; {}: nothing."""
            return next((message for message in itertools.islice(messages, count) if message["name"] == "ward"), {})

        until(lambda: told().get("reportingHosts") == 2, "both have it")
        for member, key, value in ((one, "reportingHosts", 1), (two, "deleteData", "true")):
            member.configure(patient, cluster={"peers": f"{NAME}:{made.port}"}, dns={"servers": [f"127.0.0.1:{made.dns.port}"]}, access_log="off")
            member.reload()
            until(lambda key=key, value=value: told().get(key) == value, f"{key}: {value}")
        until(lambda: told(6) == {}, "it is told once")


def test_watching_more_upstreams_than_an_answer_holds_stops_no_override(cluster):
    """The stream makes a gateway ask for 2 KB of each upstream, and an answer has at most 1 MiB."""
    made = cluster(2, upstreams={f"service-{i}": {"url": "http://127.0.0.1:9"} for i in range(600)})
    one, two = made.members

    def watched():
        """What `one` says of `two`, while somebody watches its stream."""
        read_stream(one, "/turbine.stream", lambda _: True)
        return by_address(one.cluster("?seconds=1"))[two.address]

    def is_incomplete():
        told = watched()
        return told.get("error") and told.get("isSilent")  # with a sanitizer it takes too long before it is too large

    until(is_incomplete, "it is too large")
    for wish, state in (("FORCE_OPEN", "FORCED_OPEN"), ("CLOSE", "CLOSED")):
        two.set("service-7", updateState=wish)
        until(lambda state=state: watched() and one.state("service-7") == state, f"{wish} arrives")
        until(is_incomplete, "it says why there is no more")
    until(lambda: cell(one.cluster("?seconds=1"), two.address, "service-7"), "all of it, as only the page watches now")


def test_turbine_takes_no_nonsense(cluster, impostor):
    made = cluster(1)
    impostor(made.addresses[1], made.port, respond(json.dumps({**SELF, "upstreams": [], "hystrix": [
        7, {"name": 7}, {"name": "patient", "requestCount": 1 << 62, "errorCount": -5, "isCircuitBreakerOpen": "x",
                         "latencyExecute": [], "rollingCountSuccess": "7", "evil": 1}, {"name": "a\nb"}]})))
    made.list(made.addresses[:2])
    message = read_stream(made.members[0], "/turbine.stream", lambda message: message["reportingHosts"] == 2)
    assert message["requestCount"] == 1 << 62 and message["errorCount"] == 0 and message["isCircuitBreakerOpen"] is False
    assert "evil" not in message and message["rollingCountSuccess"] == 0
