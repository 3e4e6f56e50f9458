"""The lab's steps, in their order, on the lab that deploy/lab/run has made. Each begins where the one before has ended.

A step under load has 50 users of JMeter's, who never notice."""
import subprocess
import time

import pytest

from lab import (IS_SHORT, PATIENT, Users, Watch, ask, check_in, check_in_many, handled, healthy, is_firing, prometheus, replicas,
                 service, update_state)
from swarm import ROOT, STACK, docker, eventually, tasks

MOST = 3 if IS_SHORT else 5  # autoscale.max
EVENTS = 200 if IS_SHORT else 1000
TEXT = "Patient information is currently unavailable"


@pytest.fixture(scope="module")
def spec_before():
    """Patient's, before the alert can fire."""
    if IS_SHORT:
        docker("service", "update", "--detach", "--label-add", f"autoscale.max={MOST}", PATIENT)
    return service()["Spec"]


@pytest.fixture(scope="module")
def users():
    one = Users()
    yield one
    one.end()


@pytest.fixture(scope="module")
def watch():
    one = Watch()
    yield one
    one.end()


def settled(number):
    """So many replicas run, are healthy and get requests."""
    eventually(lambda: len(healthy("patient")) == number and update_state() in ("", "completed", "rollback_completed"), 120,
               f"{number} healthy replicas")


@pytest.mark.promise("all stacks are deployed", "all of Prometheus' targets are up")
def test_targets(figure):
    def all_up():
        active = prometheus("targets?state=active")["activeTargets"]
        return active if active and all(target["health"] == "up" for target in active) else None

    jobs = [target["labels"]["job"] for target in eventually(all_up, 60, "every target is up")]
    assert set(jobs) == {"patient", "reception", "ward", "finance", "gateway", "autoscaler"}
    figure(f"{len(jobs)} of {len(jobs)} up: " + ", ".join(f"{job} {jobs.count(job)}" for job in sorted(set(jobs))))


@pytest.mark.promise("patient is removed", "the fallback's text, in 5 ms once known; back when patient is back")
def test_removed(figure):
    docker("service", "scale", "--detach", f"{PATIENT}=0")
    eventually(lambda: not tasks("patient", "node1"), 60, "no replica runs")
    eventually(lambda: ask("/patient")[0] == 503, 30, "the gateway knows it")
    answers = [ask("/patient") for _ in range(500)]
    assert {(status, body.strip()) for status, _, body, _ in answers} == {(503, TEXT)}
    times = sorted(1000 * seconds for _, _, _, seconds in answers)
    figure(f"{len(answers)} answers, each 503 with the text: median {times[len(times) // 2]:.1f} ms, p99 {times[len(times) * 99 // 100]:.1f} ms")
    docker("service", "scale", "--detach", f"{PATIENT}=2")
    settled(2)
    eventually(lambda: ask("/patient")[0] == 200, 30, "patient answers again")
    # The median is the gateway's own; a tail is of whoever else uses the processors.
    assert times[len(times) // 2] <= 5


@pytest.mark.promise("50 users begin to ask", "the alert fires within 2 minutes")
def test_alert(figure, spec_before, watch, users):
    assert not is_firing() or time.time() - users.began < 60, "it fired before there was a load"
    eventually(is_firing, 120, "the alert fires")
    figure(f"{time.time() - users.began:.0f} s after the load began")


@pytest.mark.promise("the alert goes on", f"the autoscaler adds replicas up to autoscale.max, the new ones are used, 0 failed; "
                                          "nothing of the Spec changes but the number")
def test_autoscaler(figure, spec_before, watch, users):
    begin = users.began
    eventually(lambda: replicas() == MOST, 240, f"{MOST} replicas are wanted")
    reached = time.time()
    spec_after = service()["Spec"]
    settled(MOST)
    answered = set()

    def all_answer():
        answered.add(ask("/patient")[2].split('"replica":"')[1].split('"')[0])
        return len(answered) == MOST

    eventually(all_answer, 60, "every replica answers")
    # Longer than a cooldown and a repetition of the alert: it must not go further.
    eventually(lambda: time.time() - reached > 50, 60, "it had the time to go too far")
    assert is_firing()
    counts = [number for number, _ in watch.since(begin)]
    assert max(counts) == MOST and min(counts) >= 2

    assert spec_before["Mode"]["Replicated"].pop("Replicas") == 2 and spec_after["Mode"]["Replicated"].pop("Replicas") == MOST
    assert spec_after == spec_before
    figure(f"2 to {MOST} replicas {reached - begin:.0f} s after the load began, never more; answered by "
           f"{', '.join(sorted(name.removeprefix(STACK + '_') for name in answered))}; {users.figure(begin)}")


@pytest.mark.promise("a patient replica is killed", "0 failed")
def test_killed(figure, users):
    begin = time.time()
    for _ in range(1 if IS_SHORT else 3):
        docker("kill", "--signal", "KILL", healthy("patient")[0])
        eventually(lambda: len(healthy("patient")) < MOST, 30, "it is gone")
        settled(MOST)
    figure(users.figure(begin))


@pytest.mark.promise("patient is updated to v2 with a delay of 2 s while the autoscaler is asked for one more",
                     "0 failed; not scaled before the update is over")
def test_updated(figure, watch, users):
    begin = time.time()
    docker("service", "update", "--detach", "--image", "hospital/service:v2", "--no-resolve-image", "--update-delay", "2s",
           "--update-failure-action", "rollback", "--label-add", f"autoscale.max={MOST + 1}", PATIENT)
    eventually(lambda: update_state() == "completed", 300, "the update is over")
    took = time.time() - begin
    eventually(lambda: replicas() == MOST + 1, 120, "then it is scaled")
    settled(MOST + 1)
    assert {number for number, state in watch.since(begin) if state == "updating"} == {MOST}
    versions = {ask("/patient")[2].split('"version":"')[1].split('"')[0] for _ in range(50)}
    assert versions == {"v2"}
    figure(f"{MOST} replicas in {took:.0f} s, then {MOST + 1}; {users.figure(begin)}")


@pytest.mark.promise("patient is updated to an image that never becomes healthy", "swarm rolls back, 0 failed")
def test_broken(figure, watch, users):
    begin = time.time()
    # The stack's 60 s before a start counts as failed are for slow starts; this one needs no mercy.
    docker("service", "update", "--detach", "--image", "hospital/service:broken", "--no-resolve-image", "--update-delay", "2s",
           "--update-failure-action", "rollback", "--health-start-period", "5s", PATIENT)
    eventually(lambda: update_state() == "rollback_completed", 300, "it is rolled back")
    took = time.time() - begin
    settled(MOST + 1)
    assert service()["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == "hospital/service:v2"
    versions = {ask("/patient")[2].split('"version":"')[1].split('"')[0] for _ in range(50)}
    assert versions == {"v2"}
    figure(f"rolled back after {took:.0f} s; {users.figure(begin)}")


@pytest.mark.promise("all of it", "no user notices anything")
def test_users(figure, watch, users):
    watch.end()
    users.end()
    figure(users.figure(0))


# ---- messages ------------------------------------------------------------------------------------------------------

def missing(ids, name, topic):
    return set(ids) - set(handled(name)[topic])


def account(ids, name, topic="check_in_completed"):
    """Waits until all of the events are handled. (how many were handled again, text)"""
    eventually(lambda: not missing(ids, name, topic), 300, f"{name} has handled every {topic}")
    seen = {id: by for id, by in handled(name)[topic].items() if id in ids}
    assert all(len(set(by)) == len(by) for by in seen.values()), "a replica has added an event twice"
    again = sum(len(by) - 1 for by in seen.values())
    shares = sorted(sum(replica in by for by in seen.values()) for replica in {one for by in seen.values() for one in by})
    return again, f"{name} {len(seen):,} of {len(ids):,} {topic} ({' + '.join(map(str, shares))}), {again} again"


@pytest.mark.promise("patients check in", "each event is handled by exactly one ward and by exactly one finance replica")
def test_events(figure):
    ids = check_in_many(EVENTS)
    assert None not in ids and len(set(ids)) == EVENTS
    for name, topic in (("ward", "check_in_completed"), ("finance", "check_in_completed"), ("finance", "open_invoice")):
        again, text = account(set(ids), name, topic)
        assert again == 0, text
        figure(text)


@pytest.mark.promise("a replica of ward and one of finance are killed while patients check in",
                     "each event is handled at least once, again only where a replica was killed before it had told Kafka")
def test_events_killed(figure):
    ids = set(check_in_many(EVENTS // 4))
    for name in ("ward", "finance"):
        docker("kill", "--signal", "KILL", healthy(name)[0])
        ids |= set(check_in_many(EVENTS * 3 // 8))
    assert None not in ids
    for name, topic in (("ward", "check_in_completed"), ("finance", "check_in_completed"), ("finance", "open_invoice")):
        again, text = account(ids, name, topic)
        # One replica at a time handles one event at a time; the ward's end may ask for an invoice twice.
        assert again <= 2, text
        figure(text)


@pytest.mark.promise("ward runs with --no-group, the course's fault", "every replica handles every event")
def test_no_group(figure):
    eventually(lambda: len(healthy("ward")) == 2, 120, "both wards are well")
    docker("service", "update", "--detach", "--args", "--name ward --listen 0.0.0.0:2224 --no-group", "--update-delay", "0s",
           f"{STACK}_ward")
    eventually(lambda: update_state(f"{STACK}_ward") == "completed", 180, "the update is over")
    ids = [check_in(number) for number in range(20)]
    assert None not in ids
    eventually(lambda: all(len(handled("ward")["check_in_completed"][id]) == 2 for id in ids), 120, "both handle every event")
    by = {tuple(sorted(handled("ward")["check_in_completed"][id])) for id in ids}
    assert by == {(f"{STACK}_ward.1", f"{STACK}_ward.2")}
    figure(f"{len(ids)} events, each handled by ward.1 and by ward.2")


@pytest.mark.promise("deploy/lab/run down", "nothing of the lab is left")
def test_down(figure):
    began = time.monotonic()
    subprocess.run([f"{ROOT}/deploy/lab/run", "down"], check=True)
    assert docker("info", "--format", "{{.Swarm.LocalNodeState}}") == "inactive"
    label = f"label=com.docker.stack.namespace={STACK}"
    assert not docker("ps", "-aq", "--filter", label) and not docker("volume", "ls", "-q", "--filter", label)
    assert not docker("network", "ls", "-q", "--filter", "driver=overlay")
    figure(f"{time.monotonic() - began:.0f} s; no container, volume, network or swarm")
