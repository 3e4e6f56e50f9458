"""Swarm's faults in a service, a node or itself, under a steady load; the promise holds in each case. The tests run
in the order they are written, on one stack; each leaves three healthy replicas. Those at the end take the swarm apart."""
import collections
import datetime
import json
import os
import random
import signal
import statistics
import time

import pytest

import faults
from counting import RATE, Beside, Load, first_received, last_received, received, stops
from dns_watch import DnsWatch
from swarm import (DNS_LOG, DNS_SILENT, IS_FULL, MUST_FAIL, NODES, PEERS, STACK, address_of, admin_of, all_tasks, breaker_events, docker,
                   eventually, get, inspect, metric, process_of, replica, scale, settled, tasks, upstream)

FALLBACK = "Patient information is currently unavailable"
# The defaults of gateway.yml that promises are made of.
CONNECT_S, RESPONSE_S, CONSECUTIVE_FAILURES, MINIMUM_CALLS = 1, 5, 5, 20
OPEN_FOR_S, JITTER, HALF_OPEN_CALLS, REFRESH_S = 5, 1.2, 5, 1

only_full = pytest.mark.skipif(not IS_FULL, reason="in the full form (make chaos)")


def times(full, short):
    return range(full if IS_FULL else short)


def words(full, short):
    return full if IS_FULL else f"{full} (here {short})"


def update(service, *options, stack=STACK):
    """A rolling update; returns when swarm says that it is completed."""
    def state():
        return docker("service", "inspect", "--format", "{{with .UpdateStatus}}{{.StartedAt}} {{.State}}{{end}}", f"{stack}_{service}")
    before = state()
    docker("service", "update", "--force", "--detach", "--no-resolve-image", *options, f"{stack}_{service}")
    eventually(lambda: state() != before and state().endswith(" completed"), 180, f"the update of {service}")


def states_of_breakers():
    return {node: upstream(node)["breaker"]["state"] for node in NODES}


def openings():
    return {node: sum(event["stateTransition"].endswith("_TO_OPEN") for event in breaker_events(node)) for node in NODES}


# ---- services --------------------------------------------------------------------------------------------------

def queries_for(name, since, until):
    """{node: queries of one type in the worst three seconds} that left the swarm: it forwards what it does not know. Two a second
    for three seconds may be seen as seven, as they don't travel equally long."""
    moments = collections.defaultdict(list)
    with open(DNS_LOG) as file:
        for line in file:
            moment, address, asked, kind = line.split()
            if asked.lower() == name and since <= float(moment) <= until:
                moments[address, kind].append(float(moment))
    worst = {node: 0 for node in NODES}
    for (address, _), times_asked in moments.items():
        node = next(node for node, its in NODES.items() if its == address)
        for start in times_asked:
            worst[node] = max(worst[node], sum(start <= moment < start + 3 for moment in times_asked))
    return worst


def opened_since(moment):
    """{node: when its gateway's breaker opened since then, each time}"""
    def when(event):
        return datetime.datetime.fromisoformat(event["creationTime"]).timestamp()
    return {node: sorted(when(event) for event in breaker_events(node)
                         if event["stateTransition"].endswith("_TO_OPEN") and when(event) >= moment) for node in NODES}


def waited_in_vain(load, since, until):
    return [request for request in load.requests if since < request.due < until and request.ms > 900 * CONNECT_S]


@pytest.mark.promise("service removed", f"fallback within 2 refreshes ({2 * REFRESH_S} s), in under 5 ms; where DNS outside is silent nobody "
                                        f"says so: after two connect timeouts ({2 * CONNECT_S} s) until the breaker opens, in under 5 ms then; "
                                        "the missing name is asked for at most twice a second; recovery by itself")
@pytest.mark.parametrize("dns", ["DNS outside says NXDOMAIN", pytest.param("DNS outside is silent", marks=only_full)])
def test_no_replicas(dns, figure):
    assert not any(all_tasks(name, stack="peers") for name in PEERS), "nobody but the gateways asks for the name"
    is_silent = dns.endswith("silent")
    try:
        if is_silent:
            open(DNS_SILENT, "w").close()
        with Load() as load:
            time.sleep(1)
            begun = time.time()
            scale(0)
            eventually(lambda: not all_tasks("patient"), 30, "no replica is left")
            gone = time.time()
            for node in NODES:
                eventually(lambda: get(node, "/patient/1").status == 503, 10, f"{node}: the fallback")
                answer = get(node, "/patient/1")
                assert (answer.status, answer.body.strip()) == (503, FALLBACK)
                assert int(answer.headers["retry-after"]) >= 1
                assert "error=" in answer.headers["proxy-status"], answer.headers
                assert answer.headers["content-type"] == "text/plain; charset=utf-8"
                assert get(node, "/reception/1").status == 200, "the other service does not suffer"
            if is_silent:
                eventually(lambda: all(opened_since(begun).values()), 30, "all breakers open")
            time.sleep(8 if is_silent else 5)
            over, opened = time.time(), opened_since(begun)
            scale(3)
            settled(3)
            again = time.time()
            time.sleep(1)
    finally:
        if is_silent:
            os.unlink(DNS_SILENT)
        scale(3)  # whatever has failed: the next test wants them
    worst = queries_for("tasks.patient", gone, over)
    # Swarm withdraws an address two seconds before it stops the task: fallbacks may come before the last one is gone.
    fallbacks = [request for request in load.requests if gone + 2 * REFRESH_S < request.due < over]
    late = [request for request in fallbacks if request.result != 503]
    waited = waited_in_vain(load, gone + 2 * REFRESH_S, over)
    probes = [request for request in waited if opened[request.node] and request.due >= opened[request.node][0]]
    quick = statistics.quantiles((request.ms for request in set(fallbacks) - set(waited)), n=100)
    hanging = [request for request in load.requests if request.result not in (200, 503) or request.ms > 1000 * (2 * CONNECT_S + 1)]
    after = [request for request in load.failures if request.due > again]
    words = f" and {len(waited)} that waited: {len(waited) - len(probes)} until the breakers opened, " \
            f"{max(moments[0] for moments in opened.values()) - gone:.1f} s after the last replica was gone, and {len(probes)} probes" \
            if is_silent else ""
    figure(f"{len(fallbacks) - len(waited)} fallbacks, p50 {quick[49]:.2f} ms, p99 {quick[98]:.1f} ms{words}; queries in the worst 3 s by "
           f"node: {worst}; {len(hanging)} hung, {len(after)} failed after recovery")
    assert not late and not hanging and not after, (late[:5], hanging[:5], after[:5])
    assert 0 < max(worst.values()) <= 2 * 3 + 1, worst
    assert not IS_FULL or quick[49] < 5
    assert is_silent or not waited, waited[:5]
    assert len(probes) <= HALF_OPEN_CALLS * sum(map(len, opened.values())), (probes, opened)


def quarantined_by(node):
    return len(upstream(node)["discovery"].get("quarantined", []))


@pytest.mark.promise("another service takes the replicas' name: tasks.patient has its addresses too",
                     "none of its answers reaches a client, 0 failed")
def test_another_services_addresses(figure):
    settled()
    docker("service", "create", "--detach", "--no-resolve-image", "--name", f"{STACK}_pharmacy", "--replicas", "2",
           "--network", f"name={STACK}_{STACK},alias=patient", "--hostname", "{{.Service.Name}}.{{.Task.Slot}}.{{.Task.ID}}.{{.Node.Hostname}}",
           "hospital/service:v1", "--name", "pharmacy", "--listen", "0.0.0.0:2222")
    try:
        with Load() as load:
            eventually(lambda: len(all_tasks("pharmacy")) == 2, 60, "the pharmacy runs")
            eventually(lambda: all(quarantined_by(node) == 2 for node in NODES), 30, "quarantined by every gateway")
            time.sleep(3)
    finally:
        docker("service", "rm", f"{STACK}_pharmacy")
    arrived = {id for id, _, _ in received(load)}
    stray = [request for request in load.requests if request.id not in arrived]
    figure(f"{load.figure()}; {len(stray)} answered by the other service")
    assert not load.failures and not stray
    settled()


@pytest.mark.promise("all replicas fail, then recover",
                     f"the breaker opens after {MINIMUM_CALLS} calls; never more than {HALF_OPEN_CALLS} probes at once; full traffic within "
                     f"{OPEN_FOR_S} s (20 % jitter, twice as long after each further opening) + half-open + slow start")
def test_all_replicas_fail(figure):
    settled()
    eventually(lambda: upstream("node1")["breaker"]["bufferedCalls"] == 0, 30, "the window is empty")
    open(MUST_FAIL, "w").close()
    # One gateway, so that its breaker's probes can be told from those of others.
    with Load(nodes=("node1",), rate=RATE / 3) as load:
        try:
            time.sleep(24 if IS_FULL else 9)
        finally:
            os.unlink(MUST_FAIL)
        well = time.time()
        eventually(lambda: upstream("node1")["breaker"]["state"] == "CLOSED", 60, "the breaker closes")
        closed = time.time()
        time.sleep(3)
    # The broken replicas get: the calls that open the breaker, then bursts of probes.
    bursts, last = [], 0
    for moment in sorted(moment for _, moment, _ in received(load) if moment < well):
        if moment - last > 1:
            bursts.append(0)
        bursts[-1] += 1
        last = moment
    full = max(request.due for request in load.failures) - well
    opened_for = OPEN_FOR_S * 2 ** (len(bursts) - 1) * JITTER
    figure(f"{load.count()}; opened after {bursts[0]} calls; probes while the replicas were broken: {bursts[1:]}; full traffic "
           f"{full:.1f} s after they were well (open for up to {opened_for:.0f} s), closed after {closed - well:.1f} s")
    assert MINIMUM_CALLS <= bursts[0] <= 2 * MINIMUM_CALLS, "those under way when it opens arrive too"
    assert len(bursts) > 1 and max(bursts[1:]) <= HALF_OPEN_CALLS
    assert full <= opened_for + 1 and set(load.count()) <= {200, 500, 503}
    settled()


# ---- replicas --------------------------------------------------------------------------------------------------

def counted(node):
    """The requests that the node's gateway has begun and ended, by its own metrics."""
    return metric(node, "gateway_requests_received_total"), metric(node, "gateway_requests_total")


def kill_one_after_another():
    for _ in times(10, 2):
        node, victim = random.choice(settled())
        faults.kill(victim, node)
        eventually(lambda: victim not in tasks("patient", node), 30, "the victim is dead")
    settled()


@pytest.mark.promise("SIGKILL of one replica, " + words("ten times in a row", "twice"),
                     "0 failed; clients, gateways and replicas count the same requests")
def test_a_killed_replica(figure):
    settled()
    before = {node: counted(node) for node in NODES}
    with Load() as load, Beside() as peers:
        time.sleep(1)
        kill_one_after_another()
        time.sleep(1)
    arrived = {id for id, _, _ in received(load)}
    missing = [request for request in load.requests if request.id not in arrived]
    figure(f"{load.figure()}; {len(missing)} answered that no replica received", peers.figures())
    assert not load.failures and not missing
    for node in NODES:
        begun, ended = counted(node)
        assert begun - before[node][0] == ended - before[node][1] == load.of(node), node


def twice_in(load):
    return [id for id, count in collections.Counter(id for id, _, _ in received(load)).items() if count > 1]


@pytest.mark.promise("SIGKILL of one replica under POSTs, " + words("ten times in a row", "twice"),
                     "no POST reaches a replica twice; only those fail that were on the killed one")
def test_posts_during_a_kill(figure):
    what, how = ["/patient/slow?ms=20"], {"method": "POST", "body": 200}
    with Load(*what, **how) as load, Beside(*what, **how) as peers:
        time.sleep(1)
        kill_one_after_another()
        time.sleep(1)
    arrived, twice = {id for id, _, _ in received(load)}, twice_in(load)
    lost = [request for request in load.failures if request.id not in arrived]
    missing = [request for request in load.requests if request.result == 200 and request.id not in arrived]
    figure(f"{load.figure()}; {len(arrived)} arrived, {len(twice)} twice, {len(lost)} of the failed ones never",
           peers.figures(lambda load: f", {len(twice_in(load))} arrived twice"))
    assert not twice and not missing
    # Missing requests may have been in the dead replica's socket: a byte of it was acknowledged by its kernel.
    under_way = 1 + RATE / 3 * load.percentile(95) / 1000
    assert len(load.failures) <= len(times(10, 2)) * (3 * under_way + 2), load.failures


@pytest.mark.promise("one replica is paused: it accepts and never answers",
                     f"at most {CONSECUTIVE_FAILURES} requests of a gateway fail or wait until it is ejected, and as many when its rest is "
                     "over; the breaker stays closed")
def test_a_paused_replica(figure):
    node, container = settled()[0]
    before = openings()
    with Load() as load, Beside() as peers:
        time.sleep(2)
        with faults.paused(container, node):
            pause = time.time()
            time.sleep(20 if IS_FULL else 12)
            states = states_of_breakers()
            ejected = {on: sum(one["ejectedForMs"] > 0 for one in upstream(on)["endpoints"]) for on in NODES}
        time.sleep(1)
    waited = [request for request in load.requests if request.ms >= 1000 * RESPONSE_S * 0.9]
    harmed = collections.Counter(request.node for request in {*waited, *load.failures})
    last = max((request.due for request in {*waited, *load.failures}), default=pause) - pause
    figure(f"{load.figure()}; failed or waited, by gateway: {dict(harmed)}; the last was sent {last:.1f} s after the pause began; "
           f"ejected: {ejected}", peers.figures())
    assert set(states.values()) == {"CLOSED"} and openings() == before, states
    # It is ejected when the first of them has waited for timeouts.response, and rests for ejection.for: 10 s, a fifth less at least.
    rested = pause + RESPONSE_S + 8
    for is_second in (False, True):
        counts = collections.Counter(request.node for request in {*waited, *load.failures} if (request.due >= rested) == is_second)
        assert all(count <= CONSECUTIVE_FAILURES for count in counts.values()), counts
    settled()


@only_full
@pytest.mark.promise("one replica gets 3 % of a CPU and three busy neighbours", "0 failed; the breaker stays closed")
def test_a_starved_replica(figure):
    node, container = settled()[0]
    before = openings()
    with Load() as load, Beside() as peers:
        time.sleep(1)
        with faults.starved(container, node, "0.03"):
            time.sleep(15 if IS_FULL else 8)
        time.sleep(1)
    figure(load.figure(), peers.figures())
    assert not load.failures and openings() == before
    settled()


# How long after a node's DNS has withdrawn a replica its gateway may still send it something: it asks once every refresh, and
# what it has just sent is under way.
UNDER_WAY_S = 0.5


@pytest.mark.promise("rolling update of the replicas, " + words("three times", "once"),
                     f"0 failed; once its node's DNS has withdrawn a replica a gateway sends it nothing new after one refresh ({REFRESH_S} s) "
                     "and so, where swarm's gossip is in time, nothing after its SIGTERM")
@pytest.mark.parametrize("order", ["start-first", pytest.param("stop-first", marks=only_full)])
def test_a_rolling_update(order, figure):
    addresses = {}
    with DnsWatch("tasks.patient") as dns, Load() as load, Load("/patient/slow?ms=400", rate=30) as slow, Beside() as peers:
        time.sleep(1)
        for _ in times(3, 1):
            addresses.update((replica(container, node), address_of(container, node)) for node, container in settled())
            update("patient", "--update-order", order)
        settled()
        time.sleep(1)
    stopped, lead, lag, allowed = stops(load), [], [], []
    for (node, name), last in last_received(load).items():
        if name in stopped and name in addresses:
            withdrawn = dns.withdrawn(node, addresses[name])
            lead.append(stopped[name] - withdrawn)
            lag.append(last - withdrawn)
            allowed.append(REFRESH_S + UNDER_WAY_S + dns.slowest(node, withdrawn, withdrawn + REFRESH_S))
    late = sum(node_lag > node_lead for node_lag, node_lead in zip(lag, lead))
    figure(f"{load.figure()}; of those that take 400 ms: {slow.figure()}; DNS withdrew {len(addresses)} replicas {statistics.median(lead):.1f} s "
           f"(at least {min(lead):.1f} s) before their SIGTERM; the last request came {statistics.median(lag):.1f} s (at most {max(lag):.1f} s) "
           f"after that, on {late} of {len(lag)} ways after the SIGTERM", peers.figures())
    assert not load.failures and not slow.failures
    assert set(addresses) <= set(stopped) and len(lag) >= 3 * len(times(3, 1)) * len(NODES)
    assert all(is_so <= may_be for is_so, may_be in zip(lag, allowed)), (lag, allowed)


@pytest.mark.promise("scaled from 2 to 6 to 1 to 3", "0 failed; a new replica is used within 2 s of swarm's DNS having it")
def test_scaling(figure):
    scale(2)
    old, addresses = set(settled(2)), {}
    with DnsWatch("tasks.patient") as dns, Load() as load, Beside() as peers:
        time.sleep(1)
        for count in (6, 1, 3):
            scale(count)
            now = set(settled(count))
            addresses.update((replica(container, node), address_of(container, node)) for node, container in now - old)
            old = now
            time.sleep(1)
    waits = [first_received(load, name) - dns.appeared(address) for name, address in addresses.items()]
    figure(f"{load.figure()}; from DNS to the first request: {statistics.median(waits):.2f} s, at most {max(waits):.2f} s", peers.figures())
    assert not load.failures
    assert len(waits) == 6 and max(waits) <= 2, waits


# ---- gateways --------------------------------------------------------------------------------------------------

@pytest.mark.promise("rolling update of the gateway itself on every node; clients try refused connections again, nothing else",
                     "0 requests cut, no idle connection closed without a word; exit before 10 s")
def test_the_gateways_are_replaced(figure):
    settled()
    before = dict(all_tasks("gateway"))
    with Load(retry_refused=True) as load, Load("/patient/slow?ms=1000", rate=30, retry_refused=True) as slow, \
            Beside(retry_refused=True) as peers:
        time.sleep(1)
        update("gateway")
        for name in PEERS if IS_FULL else ():
            update(name, stack="peers")
        settled()
        time.sleep(1)
    assert not set(before.items()) & set(all_tasks("gateway"))
    codes = [inspect(container, node)["State"]["ExitCode"] for node, container in before.items()]  # 137: killed after 10 s
    waits = {node: max(request.ms for request in load.requests if request.node == node) for node in NODES}
    figure(f"{load.figure()}, {load.total('idle_closed')} idle connections closed; of those that take 1 s {len(slow.failures)} of "
           f"{len(slow.requests)} failed; longest wait by node: { {node: f'{ms / 1000:.1f} s' for node, ms in waits.items()} }",
           peers.figures(lambda load: f", {load.total('idle_closed')} idle connections closed"))
    assert codes == [0, 0, 0]
    assert not load.failures and not slow.failures, (load.failures[:5], slow.failures[:5])
    assert load.total("idle_closed") == 0


# ---- nodes -----------------------------------------------------------------------------------------------------

def spread():
    """A replica on each node: swarm puts new ones where none is."""
    if {node for node, _ in settled()} != set(NODES):
        scale(0)
        eventually(lambda: not all_tasks("patient"), 30, "no replica is left")
        scale(3)
        assert {node for node, _ in settled()} == set(NODES)


def away_from(node):
    return tuple(other for other in NODES if other != node)


@pytest.mark.promise("a node is cut off from the network, and comes back",
                     f"clients of other nodes: 0 failed, none waits longer than the connect timeout ({CONNECT_S} s) and one more try; none "
                     "after the ejection")
def test_a_node_is_cut_off(figure):
    spread()
    with Load(nodes=away_from("node3")) as load, Beside(nodes=away_from("node3")) as peers:
        time.sleep(1)
        with faults.unplugged("node3"):
            cut = time.time()
            time.sleep(30 if IS_FULL else 8)  # after 15 s swarm starts the replica elsewhere
        back = time.time()
        settled(seconds=120)
        time.sleep(1)
    slow = [request for request in load.requests if request.ms > 900 * CONNECT_S and request.due < back]
    last = max((request.due for request in slow), default=cut) - cut
    after = sum(request.ms > 900 * CONNECT_S for request in load.requests if request.due >= back)
    figure(f"{load.figure()}; {len(slow)} waited about {CONNECT_S} s or more, the last was sent {last:.1f} s after the cut; "
           f"{after} after the return", peers.figures())
    assert not load.failures, load.failures[:5]
    assert not slow or max(request.ms for request in slow) < 1000 * (2 * CONNECT_S + 1)


def endpoints_of(process):
    return len(next(one for one in json.loads(admin_of(process, "/upstreams"))["upstreams"] if one["name"] == "patient")["endpoints"])


@pytest.mark.promise(f"DNS is silent for {words('60', '8')} s (10 minutes, scaled down); one replica is killed meanwhile",
                     "0 failed, endpoints kept; the replica in the dead one's place is used as soon as DNS is back")
def test_dns_is_silent(figure):
    before = settled()
    node, victim = before[0]
    gateways = [container for _, container in all_tasks("gateway")]
    processes = [process_of(container) for container in gateways]
    with Load() as load, Beside() as peers:
        time.sleep(1)
        with faults.without_dns([container for name in PEERS for _, container in all_tasks(name, stack="peers")]):
            with faults.without_dns(gateways):
                time.sleep(20 if IS_FULL else 4)
                faults.kill(victim, node)
                time.sleep(40 if IS_FULL else 4)
                known = [endpoints_of(process) for process in processes]
                eventually(lambda: len(all_tasks("patient")) == 3, 30, "swarm starts another one")
            back = time.time()
            new = next(replica(container, on) for on, container in settled() if (on, container) not in before)
            used = eventually(lambda: first_received(load, new), 10, "the new replica is used") - back
            # With DNS again nginx sends all at once what has waited for it: more than the replicas' listen queues hold.
            peers.end()
    figure(f"{load.figure()}; endpoints known at the end: {known}; the new one got its first request {used:.1f} s after DNS was back",
           peers.figures())
    assert not load.failures, load.failures[:5]
    assert known == [3, 3, 3]


@only_full
@pytest.mark.promise("all engines stand still for 60 s, and with them swarm and its DNS; one replica is killed meanwhile; then swarm takes "
                     "nodes for lost and moves all their tasks, gateways too",
                     "0 failed while they stand still, endpoints kept; after that nothing but the fallback, and only when swarm's DNS "
                     f"said within 2 refreshes ({2 * REFRESH_S} s) that there is no replica")
def test_engines_stand_still(figure):
    victim = process_of(settled()[0][1])
    processes = [process_of(container) for _, container in all_tasks("gateway")]
    with DnsWatch("tasks.patient") as dns, Load(retry_refused=True) as load, Beside(retry_refused=True) as peers:
        time.sleep(1)
        with faults.frozen():
            thaw = time.time() + 60
            time.sleep(30)
            os.kill(victim, signal.SIGKILL)
            time.sleep(15)
            peers.end()  # as in test_dns_is_silent
            known = [endpoints_of(process) for process in processes]
            time.sleep(max(0, thaw - time.time()))
            thawed = time.time()
        time.sleep(10)
    during = [request for request in load.failures if request.due < thawed]
    after = [request for request in load.failures if request.due >= thawed]
    unexplained = [request for request in after if request.result != 503 or not dns.had_none(
        request.node, request.due - 2 * REFRESH_S - UNDER_WAY_S, request.due + request.ms / 1000)]
    waited = max(request.ms for request in load.requests if request.due < thawed)
    figure(f"{load.figure()}; {len(during)} failed and the longest took {waited:.0f} ms while the engines stood still; {len(after)} got the "
           f"fallback in the 10 s after, all but {len(unexplained)} of them when DNS knew no replica; endpoints known at the end of the "
           f"silence: {known}", peers.figures())
    assert known == [3, 3, 3]
    assert not during and not unexplained, (during[:5], unexplained[:5])
    settled(seconds=150)


@only_full
@pytest.mark.promise("an engine is shut down in good order (SIGTERM), with its replica and its gateway", "clients of other nodes: 0 failed")
def test_an_engine_is_stopped(figure):
    spread()
    with Load(nodes=away_from("node3")) as load, Beside(nodes=away_from("node3")) as peers:
        time.sleep(1)
        faults.engine_end("node3", signal.SIGTERM)
        time.sleep(10)
        faults.engine_start("node3")
        settled(seconds=150)
        time.sleep(1)
    figure(load.figure(), peers.figures())
    assert not load.failures, load.failures[:5]


@pytest.mark.promise("the leading manager's engine is killed, then the second of three: the quorum is lost",
                     "traffic of the nodes that are left flows on: 0 failed")
def test_the_managers_are_lost(figure):
    spread()
    leader = next(line.split()[0] for line in docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}").splitlines()
                  if line.endswith(" Leader"))
    second, last = away_from(leader)
    with Load(nodes=(last,)) as load, Beside(nodes=(last,)) as peers:
        with Load(nodes=(second,)) as other:
            time.sleep(2)
            faults.engine_end(leader, signal.SIGKILL)
            time.sleep(15 if IS_FULL else 8)
        faults.engine_end(second, signal.SIGKILL)
        time.sleep(20 if IS_FULL else 8)
        refused = docker("service", "ls", node=last, check=False, seconds=60)
    figure(f"one manager lost: {other.figure()}; quorum lost: {load.figure()}; swarm itself answers: {refused or 'no leader'}",
           peers.figures())
    assert refused == ""
    assert not other.failures and not load.failures, (other.failures[:5], load.failures[:5])
