"""The DNS server dies, is slow to come back, withdraws an address or a service."""
import time

import pytest

from harness import until
from world import IS_FULL, Peer, figures, percentile, wait_ms

FALLBACK = "Patient information is currently unavailable\n"
SILENCE_S = 45 if IS_FULL else 4


@pytest.fixture
def haproxy(tmp_path, service, dns):
    """In a full run the same trouble for a haproxy that asks DNS, too."""
    if not IS_FULL:
        yield None
        return
    dns.set("tasks.patient", " ".join(replica.address for replica in service.replicas))
    folder = tmp_path / "haproxy"
    folder.mkdir()
    started = Peer("haproxy", folder, service, "haproxy-dns.cfg", DNS_PORT=dns.port, SERVICE_PORT=service.port)
    yield started
    started.stop()


@pytest.mark.parametrize("trouble", ["SILENT", "SERVFAIL"])
@pytest.mark.promise(f"DNS dead (ten minutes, scaled down: {SILENCE_S} s of silence, 3 s of SERVFAIL)", "0 failed, endpoints kept")
def test_dns_is_dead(gateway, haproxy, load, service, dns, report, trouble):
    started = gateway()
    known = started.endpoints()
    seconds = (SILENCE_S if trouble == "SILENT" else 3) + 1
    running = load(started, rate=500, seconds=seconds)
    beside = load(haproxy, rate=500, seconds=seconds) if haproxy else None
    wait_ms(300)
    asked = dns.count("tasks.patient")  # in a full run haproxy asks, too
    dns.set("tasks.patient", trouble)
    began = time.monotonic()
    # While nobody answers a replica goes and comes back: neither may make it forget the others.
    wait_ms(500)
    service.replicas[0].kill()
    wait_ms(500)
    service.replicas[0].start()
    result = running.result()
    # At most two look-ups a second, each for A and AAAA, each tried twice.
    rate = (dns.count("tasks.patient") - asked) / (time.monotonic() - began)
    if beside:
        result_beside = beside.result()
        report(figures(result_beside), result_beside["failed"] == 0, haproxy.name)
    report(f"{figures(result)}; {len(started.endpoints())} of {len(known)} endpoints kept; {rate:.1f} queries a second",
           result["failed"] == 0 and started.endpoints() == known and (haproxy or rate < 9))


@pytest.mark.promise("an address is withdrawn while its replica still answers", "nothing new within one refresh, 0 failed")
def test_an_address_is_withdrawn(gateway, load, service, dns, report):
    started = gateway()
    running = load(started, rate=500, seconds=4)
    wait_ms(1000)
    gone, *others = service.replicas
    dns.set("tasks.patient", " ".join(replica.address for replica in others))
    withdrawn = time.monotonic()
    until(lambda: len(started.endpoints()) == 2, "it is taken out")
    took = time.monotonic() - withdrawn
    wait_ms(50)
    before = gone.tell("look")
    result = running.result()
    after = gone.tell("look")
    late = after["received"] - before["received"]
    report(f"{figures(result)}; out after {took:.2f} s (refresh 1 s), {late} requests later, {after['connections']} connections left",
           result["failed"] == 0 and late == 0 and after["connections"] == 0 and took < (1.3 if IS_FULL else 5))


@pytest.mark.promise("service removed", "fallback within 2 refreshes, at most 2 queries a second for the missing name")
def test_a_service_is_removed(gateway, load, service, dns, report):
    started = gateway(routes=[{"path": "/patient", "fallback": FALLBACK}])
    running = load(started, rate=300, seconds=6)
    wait_ms(1000)
    dns.set("tasks.patient", "NXDOMAIN")
    for replica in service.replicas:
        replica.kill()
    removed = time.monotonic()
    until(lambda: started.endpoints() == [], "nobody is there any more")
    took = time.monotonic() - removed
    asked, began = dns.count("tasks.patient"), time.monotonic()
    result = running.result()
    # A and AAAA are asked together: two queries are one look-up.
    rate = (dns.count("tasks.patient") - asked) / 2 / (time.monotonic() - began)
    fallbacks = [took_ms for _, due, ending, _, took_ms in running.records() if due > 4000 and ending == 503]
    report(f"nobody there after {took:.1f} s (refresh 1 s); {len(fallbacks)} fallbacks, p99 {percentile(fallbacks, 0.99):.1f} ms; "
           f"{rate:.1f} look-ups a second; {sum(result['errors'].values())} without an answer",
           not result["errors"] and took < (3 if IS_FULL else 6) and rate <= 2 and len(fallbacks) > 500)


@pytest.mark.promise("a service scales from 2 to 3", "the new replica is used within 2 s, 0 failed")
def test_a_replica_is_added(gateway, load, service, dns, report):
    started = gateway()
    dns.set("tasks.patient", " ".join(replica.address for replica in service.replicas[:2]))
    until(lambda: len(started.endpoints()) == 2, "two are known")
    new = service.replicas[2]
    running = load(started, rate=500, seconds=4)
    wait_ms(500)
    before, added = new.tell("look")["received"], time.monotonic()
    dns.set("tasks.patient", " ".join(replica.address for replica in service.replicas))
    until(lambda: new.tell("look")["received"] > before, "it is used")
    took = time.monotonic() - added
    result = running.result()
    report(f"{figures(result)}; used after {took:.2f} s", result["failed"] == 0 and took < (2 if IS_FULL else 6))
