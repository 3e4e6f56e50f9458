"""The hospital's stack on a real swarm: images, paths, new configurations. What swarm can do to it is test_promises.py."""
import concurrent.futures
import http.client
import json
import os
import signal
import subprocess
import time

from swarm import CONFIG, NODES, STACK, WORK, deploy, docker, eventually, get, inspect, node_of, replica_of, settled, tasks


def update_state():
    return docker("service", "inspect", "--format", "{{.UpdateStatus.State}}", f"{STACK}_gateway")


def get_quietly(node):
    """The status, or None while no gateway is there."""
    try:
        return get(node, "/patient/1", timeout=3).status
    except (OSError, http.client.HTTPException):
        return None


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


def test_requests_go_to_the_replicas_of_all_nodes():
    def shares(node):
        answers = [node_of(replica_of(get(node, "/patient/1").body)) for _ in range(60)]
        return [answers.count(other) for other in NODES]

    for node in NODES:  # a new replica's share grows over slow_start
        eventually(lambda: min(shares(node)) >= 8, 30, f"{node}: all get their share")


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


def test_a_new_configuration_is_taken_node_by_node():
    before = {node: tasks("gateway", node) for node in NODES}
    path = f"{WORK}/gateway-2.yml"
    with open(CONFIG) as old, open(path, "w") as new:
        text = old.read()
        text = text.replace("routes:\n", "  pharmacy: { url: \"http://tasks.pharmacy:2224\" }\n\nroutes:\n", 1)
        new.write(text + "  - { path: /pharmacy, upstream: pharmacy, "
                  "fallback: Pharmacy information is currently unavailable }\n")
    assert get("node1", "/pharmacy").status == 404

    def taken(node):
        try:
            answer = get(node, "/pharmacy", timeout=3)
        except OSError:  # this gateway has just left
            return False
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
    with open(CONFIG) as old, open(path, "w") as new:
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
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(get, "node1", "/patient/slow?ms=1500")
        time.sleep(0.3)
        begun = time.monotonic()
        docker("kill", "--signal", str(int(signal.SIGTERM)), container, node="node1")
        docker("wait", container, node="node1")
        took = time.monotonic() - begun
    state = inspect(container, "node1")["State"]
    print(f"left after {took:.1f} s with {state['ExitCode']}")
    assert slow.result().status == 200
    assert state["ExitCode"] == 0 and 1 < took < 10
    eventually(lambda: get("node1", "/patient/1").status == 200, 30, "swarm starts another one")
    settled()
