"""The hospital on a real swarm of two nodes. The tests run in the order they are written, on one stack."""
import datetime
import http.client
import json
import os
import re
import signal
import subprocess
import time

import pytest

from swarm import (NODES, ROOT, STACK, WORK, Load, deploy, docker, eventually, get, inspect, replica_of, tasks)

FALLBACK = "Patient information is currently unavailable"


def node_of(replica):
    return replica.rsplit(".", 1)[1]


def scale(replicas):
    docker("service", "scale", "--detach", f"{STACK}_patient={replicas}")


def replicas_seen_by(node):
    """What 20 requests are answered by."""
    return {replica_of(get(node, "/patient/1").body) for _ in range(20)}


def wait_for_replicas(count, seconds=60):
    """Until the gateway of every node uses that many, and the same."""
    def found():
        seen = [replicas_seen_by(node) for node in NODES]
        return None not in seen[0] and len(seen[0]) == count and all(those == seen[0] for those in seen) and seen[0]

    return eventually(found, seconds, f"{count} replicas answer on every node")


def first_healthy(container, node):
    """When the container's health check passed for the first time, or None; swarm makes it known by DNS after that."""
    for entry in inspect(container, node)["State"].get("Health", {}).get("Log") or []:
        if entry["ExitCode"] == 0:
            # Go writes nanoseconds, Python reads microseconds; the engine's zone is the machine's.
            moment, zone = re.fullmatch(r"([^.]*(?:\.\d{1,6})?)\d*(Z|[+-]\d\d:\d\d)", entry["End"]).groups()
            return datetime.datetime.fromisoformat(moment + zone.replace("Z", "+00:00")).timestamp()
    return None


def update_state():
    return docker("service", "inspect", "--format", "{{.UpdateStatus.State}}", f"{STACK}_gateway")


def get_quietly(node):
    """The status, or None while no gateway is there."""
    try:
        return get(node, "/patient/1", timeout=3).status
    except (OSError, http.client.HTTPException):
        return None


@pytest.fixture(scope="module", autouse=True)
def stack():
    eventually(lambda: docker("node", "ls", "--format", "{{.Status}}").split() == ["Ready"] * 2, 30, "two nodes ready")
    deploy()
    for node in NODES:
        eventually(lambda: get(node, "/patient/1").status == 200, 90, f"{node}: the gateway reaches the patients")
        eventually(lambda: get(node, "/reception/1").status == 200, 60, f"{node}: the gateway reaches the reception")
    wait_for_replicas(2)


def test_one_gateway_on_each_node_takes_port_80():
    for node in NODES:
        containers = tasks("gateway", node)
        assert len(containers) == 1
        eventually(lambda: inspect(containers[0], node)["State"]["Health"]["Status"] == "healthy", 10, "healthy")
        state = inspect(containers[0], node)
        assert state["HostConfig"]["ReadonlyRootfs"]
        assert state["Config"]["User"] == "65532:65532"
        assert state["HostConfig"]["CapDrop"] == ["ALL"]
        assert "docker.sock" not in str(state["HostConfig"]["Binds"]) + str(state["Mounts"])


def test_the_image_has_no_shell():
    for node in NODES:
        refused = subprocess.run([os.environ["SWARM_CLIENT"], "-H", f"unix://{WORK}/{node}/docker.sock", "exec",
                                  tasks("gateway", node)[0], "/bin/sh"], text=True, capture_output=True)
        assert refused.returncode != 0 and "no such file" in refused.stdout + refused.stderr


def test_requests_alternate_between_replicas_of_both_nodes():
    for node in NODES:
        answers = [replica_of(get(node, "/patient/1").body) for _ in range(40)]
        assert {node_of(answer) for answer in answers} == set(NODES), answers
        assert all(answers.count(answer) >= 8 for answer in set(answers)), answers


def test_reception_gets_path_and_query_unchanged():
    for node in NODES:
        answer = get(node, "/reception/check_in_patient?patientId=1&note=a%20b")
        assert answer.status == 200
        seen = json.loads(answer.body)
        assert (seen["service"], seen["path"]) == ("reception", "/reception/check_in_patient")
        assert seen["query"] == "patientId=1&note=a%20b"


def test_an_unknown_path_reaches_nobody():
    for node in NODES:
        answer = get(node, "/patients")
        assert answer.status == 404 and not replica_of(answer.body)


def test_a_killed_replica_costs_no_request():
    with Load() as load:
        time.sleep(2)
        victim = tasks("patient", "node2")[0]
        docker("kill", "--signal", "KILL", victim, node="node2")
        eventually(lambda: victim not in tasks("patient", "node2"), 10, "the victim is dead")
        eventually(lambda: sum(len(tasks("patient", node)) for node in NODES) == 2, 60, "swarm starts another")
        wait_for_replicas(2)
        time.sleep(1)
    assert not load.failures
    assert len(load.counts) == 3, load.counts


def test_new_replicas_are_used_within_two_seconds():
    with Load() as load:
        time.sleep(1)
        old = {container for node in NODES for container in tasks("patient", node)}
        scale(4)
        healthy = {}

        def all_healthy():
            for node in NODES:
                for container in set(tasks("patient", node)) - old - set(healthy):
                    moment = first_healthy(container, node)
                    if moment:
                        healthy[container] = (inspect(container, node)["Config"]["Hostname"], moment)
            return len(healthy) == 2
        eventually(all_healthy, 60, "two more replicas are healthy")
        eventually(lambda: all(name in load.first_seen for name, _ in healthy.values()), 30, "both answer")
    waits = {name: load.first_seen[name] - moment for name, moment in healthy.values()}
    print("from healthy to the first answer:", {name: f"{wait:.2f} s" for name, wait in waits.items()})
    assert not load.failures
    assert all(wait <= 2 for wait in waits.values()), waits


def test_fewer_replicas_cost_no_request():
    with Load() as load:
        time.sleep(1)
        scale(1)
        eventually(lambda: sum(len(tasks("patient", node)) for node in NODES) == 1, 60, "one replica is left")
        time.sleep(1)
    assert not load.failures


@pytest.mark.parametrize("dns", ["answers NXDOMAIN", "is silent"])
def test_without_replicas_the_fallback_and_recovery_by_itself(dns):
    """The name of a service without tasks is unknown to swarm, which then asks the DNS server outside."""
    silent = f"{WORK}/dns-silent"
    try:
        if dns == "is silent":
            open(silent, "w").close()
        scale(0)
        eventually(lambda: not any(tasks("patient", node) for node in NODES), 30, "no replica is left")
        for node in NODES:
            eventually(lambda: get(node, "/patient/1").status == 503, 10, f"{node}: the fallback")
            begun = time.monotonic()
            for _ in range(5):
                answer = get(node, "/patient/1")
                assert answer.status == 503
                assert answer.body.strip() == FALLBACK
                assert int(answer.headers["retry-after"]) >= 1
                assert "error=" in answer.headers["proxy-status"], answer.headers
                assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            print(f"{node}: 5 fallbacks in {time.monotonic() - begun:.2f} s; {answer.headers}")
            assert get(node, "/reception/1").status == 200, "the other service does not suffer"
            assert inspect(tasks("gateway", node)[0], node)["State"]["Health"]["Status"] == "healthy"
        scale(2)
        wait_for_replicas(2)
        assert all(get(node, "/patient/1").status == 200 for node in NODES for _ in range(20))
    finally:
        scale(2)
        if os.path.exists(silent):
            os.unlink(silent)


def test_an_update_of_the_patients_costs_no_request():
    before = wait_for_replicas(2)
    with Load() as load, Load("/patient/slow?ms=400", clients=4) as slow:
        time.sleep(1)
        docker("service", "update", "--force", "--detach", f"{STACK}_patient")
        eventually(lambda: len(load.counts) >= 4 and not (before & load.seen_since(0.5)), 120, "both are replaced")
        time.sleep(3)
    assert not load.failures and not slow.failures


def test_a_new_configuration_is_taken_node_by_node():
    before = {node: tasks("gateway", node) for node in NODES}
    path = f"{WORK}/gateway-2.yml"
    with open(f"{ROOT}/deploy/gateway.yml") as old, open(path, "w") as new:
        text = old.read()
        text = text.replace("routes:\n", "  pharmacy: { url: \"http://tasks.pharmacy:2224\" }\n\nroutes:\n", 1)
        new.write(text + "  - { path: /pharmacy, upstream: pharmacy, "
                  "fallback: Pharmacy information is currently unavailable }\n")
    assert get("node1", "/pharmacy").status == 404

    def taken(node):
        answer = get(node, "/pharmacy", timeout=3)
        return answer.status == 503 and answer.body.strip() == "Pharmacy information is currently unavailable"
    deploy(2, path)
    end = time.monotonic() + 120
    done, away = set(), {node: [] for node in NODES}
    while done != set(NODES):
        assert time.monotonic() < end, f"only {done} took the new configuration"
        answers = {node: get_quietly(node) for node in NODES}
        assert 200 in answers.values(), "at every moment one node answers"
        for node in NODES:
            if answers[node] != 200:
                away[node].append(time.monotonic())
            elif taken(node):
                done.add(node)
        time.sleep(0.05)
    print("without a gateway for:", {node: f"{max(times) - min(times):.1f} s" for node, times in away.items() if times})
    for node in NODES:
        assert tasks("gateway", node) != before[node]
        eventually(lambda: get(node, "/patient/1").status == 200, 10, f"{node} serves")
    eventually(lambda: update_state() == "completed", 60, "swarm is content with the update")


def test_a_bad_configuration_goes_no_further_than_one_node():
    path = f"{WORK}/gateway-3.yml"
    with open(f"{ROOT}/deploy/gateway.yml") as old, open(path, "w") as new:
        new.write(old.read() + "\nnonsense: true\n")
    deploy(3, path)

    def rolled_back():
        assert 200 in [get_quietly(node) for node in NODES], "at every moment one node answers"
        return update_state() == "rollback_completed"
    eventually(rolled_back, 150, "swarm rolls back")
    for node in NODES:
        eventually(lambda: get(node, "/pharmacy").status == 503, 20, f"{node} has the configuration before")


def test_sigterm_lets_a_request_finish_and_the_gateway_leaves_in_time():
    container = tasks("gateway", "node1")[0]
    with Load("/patient/slow?ms=1500", nodes=("node1",), clients=1) as slow:
        time.sleep(0.3)
        begun = time.monotonic()
        docker("kill", "--signal", str(int(signal.SIGTERM)), container, node="node1")
        slow.stopping.set()
        docker("wait", container, node="node1")
        took = time.monotonic() - begun
    state = inspect(container, "node1")["State"]
    print(f"left after {took:.1f} s with {state['ExitCode']}")
    assert not slow.failures and sum(slow.counts.values()) == 1
    assert state["ExitCode"] == 0 and 1 < took < 10
    eventually(lambda: get("node1", "/patient/1").status == 200, 30, "swarm starts another one")


def test_a_node_that_vanishes_is_not_missed():
    """No goodbye: the cable is pulled. Swarm takes seconds to notice; until then DNS still names the lost replica."""
    scale(0)
    eventually(lambda: not any(tasks("patient", node) for node in NODES), 30, "no replica is left")
    scale(2)
    replicas = wait_for_replicas(2)
    assert {node_of(replica) for replica in replicas} == set(NODES), "swarm spreads new replicas"
    with Load(nodes=("node1",)) as load:
        time.sleep(1)
        subprocess.run(["ip", "link", "set", "node2", "down"], check=True)
        try:
            time.sleep(15)
        finally:
            subprocess.run(["ip", "link", "set", "node2", "up"], check=True)
    # What was under way to the lost node is noticed, as nobody acknowledges it, and asked of the other replica.
    assert not load.failures, load.failures
