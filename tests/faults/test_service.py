"""The service as a whole is down, slow, or has more to do than it can: what the clients get, and what the others feel."""
import pytest

from harness import until
from world import IS_FULL, Service, figures, percentile, wait_ms

FALLBACK = "Patient information is currently unavailable\n"
ROUTES = [{"path": "/patient", "fallback": FALLBACK}]


@pytest.fixture
def other(tmp_path):
    started = Service(tmp_path, count=1, first=5)
    yield started
    started.stop()


def kill_all(service):
    for replica in service.replicas:
        replica.kill()


@pytest.mark.promise("whole service down", "fallback in under 5 ms once open, none hangs")
def test_the_whole_service_is_down(gateway, load, service, report):
    started = gateway(routes=ROUTES)
    running = load(started, rate=500, seconds=6 if IS_FULL else 4)
    wait_ms(1000)
    kill_all(service)
    until(lambda: started.has_said("closed -> open"), "the breaker opens")
    result = running.result()
    fallbacks = [took for _, due, ending, _, took in running.records() if due > 2000 and ending == 503]
    p99 = percentile(fallbacks, 0.99)
    kept = not result["errors"] and set(result["statuses"]) == {"200", "503"} and len(fallbacks) > 500
    report(f"{len(fallbacks):,} fallbacks, p50 {percentile(fallbacks, 0.5):.2f}, p99 {p99:.2f} ms; slowest of all "
           f"{result['latency_ms']['max']:.0f} ms; {sum(result['errors'].values())} without an answer",
           kept and (not IS_FULL or p99 < 5))


@pytest.mark.promise("all replicas fail, then recover", "exactly half_open_calls probes, full traffic within open_for + slow start")
def test_recovery(gateway, load, service, report):
    """Refusing costs no time, so answers take 100 ms: the probes are on their way at the same time, and can be counted."""
    started = gateway(upstream={"breaker": {"open_for": "2s"}}, routes=ROUTES)
    running = load(started, rate=200, seconds=7)
    wait_ms(1000)
    service.tell("do status 500")
    started.wait_for_state("OPEN")
    service.tell("do answer")
    service.tell("answer_after 100")
    until(lambda: sum(seen["in_flight"] for seen in service.tell("look")) == 0, "what was under way is over")
    service.tell("look")
    before = service.received()
    until(lambda: started.has_said("half_open -> closed") or started.breaker()["state"] == "CLOSED", "the breaker closes")
    result = running.result()
    probes = [line for line in started.lines_of_log() if line["breaker"] == "half_open"]
    records = list(running.records())
    recovered = max((due for _, due, ending, _, _ in records if ending != 200), default=0)
    opened = min(due for _, due, ending, _, _ in records if ending == 503)
    let_through = [line for line in probes if line["outcome"] == "answered"]
    print(before, len(let_through), result)
    report(f"{len(let_through)} probes; full traffic {(recovered - opened) / 1000:.1f} s after it opened (open_for 2 s)",
           len(let_through) == 5 and recovered - opened < 2000 * 1.2 + 1000)


@pytest.mark.promise("service slow: every answer takes 3 times timeouts.response",
                     "other routes keep their latency, the bulkhead bounds what waits")
def test_a_slow_service_hurts_nobody_else(gateway, load, service, other, report):
    limit = 50
    for replica in service.replicas[1:]:
        replica.kill()
    del service.replicas[1:]  # the most at once of several does not add up
    started = gateway(upstream={"timeouts": {"response": "500ms"}, "bulkhead": {"max_in_flight": limit}},
                      upstreams={"reception": {"url": f"http://{other.replicas[0].address}:{other.port}"}},
                      routes=[*ROUTES, {"path": "/reception", "upstream": "reception"}])
    reception = f"http://127.0.0.1:{started.port}/reception"
    seconds = 5 if IS_FULL else 2
    before = load(reception, rate=500, seconds=seconds).result()
    service.tell("answer_after 1500")
    slow = load(started, rate=500, seconds=seconds + 1)
    during = load(reception, rate=500, seconds=seconds).result()
    stuck = slow.result()
    most = service.tell("look")[0]["most_in_flight"]
    ratio = during["latency_ms"]["p99"] / max(before["latency_ms"]["p99"], 0.5)
    kept = during["failed"] == 0 and not stuck["errors"] and most <= limit and (not IS_FULL or ratio < 4)
    report(f"the other route: {during['failed']} failed, p99 {before['latency_ms']['p99']:.1f} ms before, "
           f"{during['latency_ms']['p99']:.1f} ms during; at most {most} in the slow one ({limit} allowed)", kept)


@pytest.mark.promise("overload: 4 times what the service can carry",
                     "accepted ones within 2 x their latency, the rest refused at once, goodput within 10 % of the maximum")
def test_overload(gateway, load, service, report):
    """Each of three replicas works on 4 requests at once, 20 ms each: 600 a second. The bulkhead is set to those 12;
    rejected ones are no failures of the service, so the breaker has nothing to say."""
    started = gateway(upstream={"bulkhead": {"max_in_flight": 12}}, routes=ROUTES)
    service.tell("answer_after 20")
    service.tell("workers 4")
    seconds = 8 if IS_FULL else 3
    alone = load(started, rate=540, seconds=seconds)
    easy = alone.result()
    running = load(started, rate=2400, seconds=seconds)
    hard = running.result()
    records = list(running.records())
    accepted = [took for _, _, ending, _, took in records if ending == 200]
    refused = [took for _, _, ending, _, took in records if ending == 503]
    goodput = len(accepted) / seconds
    in_time = all(percentile(accepted, share) < 2 * easy["latency_ms"][name] + 1
                  for share, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99")))
    carried = easy["answered"] / seconds if not IS_FULL else 600  # a busy machine does not carry 540 either
    kept = not hard["errors"] and goodput > carried * (0.9 if IS_FULL else 0.4) and \
        (not IS_FULL or in_time and percentile(refused, 0.5) < 21)
    report(f"{figures(easy)} at 540/s; at 2,400/s goodput {goodput:.0f}/s of 600, accepted p50 {percentile(accepted, 0.5):.1f}, "
           f"p99 {percentile(accepted, 0.99):.1f} ms, refused p50 {percentile(refused, 0.5):.1f} ms", kept)
