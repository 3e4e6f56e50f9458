"""The base of the swarm tests: docker commands on a node, the stack, requests to a node's gateway and to its admin listener.

Clients run in the network namespace of the test's LAN, outside the swarm, so they see what a user of the hospital sees:
port 80 of the nodes' addresses.
"""
import collections
import functools
import http.client
import json
import os
import re
import subprocess
import time

NODES = {"node1": "10.77.0.11", "node2": "10.77.0.12", "node3": "10.77.0.13"}
PEERS = {"haproxy": 8001, "nginx": 8002}  # and their ports: peers/stack.yml
WORK, NAME = os.environ["SWARM_WORK"], os.environ["SWARM_NAME"]
IS_FULL = bool(os.environ.get("SWARM_FULL"))
STACK = "hospital"
FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(FOLDER))
TOKEN, CONFIG = "a-token-of-the-swarm-tests", f"{WORK}/gateway.yml"

# Files tell the services of deploy/hospital how to behave: see service.c, nothing_dns.py.
RECEIVED, MUST_FAIL, DNS_LOG, DNS_SILENT = f"{WORK}/received", f"{WORK}/received/must-fail", f"{WORK}/dns.log", f"{WORK}/dns-silent"

Answer = collections.namedtuple("Answer", "status headers body")


def docker(*arguments, node="node1", check=True, seconds=180, **options):
    command = [os.environ["SWARM_CLIENT"], "-H", f"unix://{WORK}/{node}/docker.sock", *arguments]
    done = subprocess.run(command, text=True, capture_output=True, timeout=seconds, **options)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)} on {node}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def make_config():
    """deploy/gateway.yml with the line that it names for operators-stack.yml: all else is as deployed."""
    with open(f"{ROOT}/deploy/gateway.yml") as file:
        text = file.read()
    line = re.search(r"^#   (admin: .*token_file.*)$", text, re.MULTILINE).group(1)
    with open(CONFIG, "w") as file:
        file.write(re.sub(r"^admin: .*$", line, text, flags=re.MULTILINE))
    with open(f"{WORK}/token", "w") as file:
        file.write(TOKEN)


def deploy(config_version=1, config_file=CONFIG):
    if not os.path.exists(CONFIG):
        make_config()
    environment = dict(os.environ, GATEWAY_CONFIG=str(config_version), GATEWAY_CONFIG_FILE=config_file, GATEWAY_TOKEN_FILE=f"{WORK}/token")
    os.makedirs(RECEIVED, exist_ok=True)
    os.chmod(RECEIVED, 0o777)
    docker("stack", "deploy", "--resolve-image", "never", "-c", f"{ROOT}/deploy/hospital-stack.yml",
           "-c", f"{ROOT}/deploy/operators-stack.yml", "-c", f"{FOLDER}/stack.yml", STACK, env=environment)


@functools.cache
def deploy_peers():
    """haproxy and nginx before the same replicas, for a comparison: once, and no sooner than a test wants them, as they ask the
    same DNS."""
    docker("stack", "deploy", "--resolve-image", "never", "-c", f"{FOLDER}/peers/stack.yml", "peers")
    for node in NODES:
        for name, port in PEERS.items():
            eventually(lambda: get(node, "/patient/1", port=port).status == 200, 60, f"{node}: {name} reaches the patients")


def scale(replicas, node="node1"):
    docker("service", "scale", "--detach", f"{STACK}_patient={replicas}", node=node)


def tasks(service, node, stack=STACK):
    """The ids of the service's running containers on one node."""
    return docker("ps", "-q", "--no-trunc", "--filter", f"label=com.docker.swarm.service.name={stack}_{service}",
                  node=node).split()


def all_tasks(service, nodes=tuple(NODES), stack=STACK):
    """(node, container) for each."""
    return [(node, container) for node in nodes for container in tasks(service, node, stack)]


def inspect(container, node):
    return json.loads(docker("inspect", container, node=node))[0]


def replica(container, node):
    """Its host name, which is swarm's name of the task and the node's (stack.yml)."""
    return inspect(container, node)["Config"]["Hostname"]


def address_of(container, node):
    return inspect(container, node)["NetworkSettings"]["Networks"][f"{STACK}_{STACK}"]["IPAddress"]


def process_of(container):
    """The number by which this machine knows the container's oldest process; its engine knows it by another. Others, such as its health
    check, come and go."""
    found = []
    for number in os.listdir("/proc"):
        try:
            with open(f"/proc/{number}/cgroup") as file:
                if container not in file.read():
                    continue
            with open(f"/proc/{number}/stat") as file:
                found.append((int(file.read().rpartition(")")[2].split()[19]), int(number)))  # when it was started
        except (OSError, ValueError):
            continue
    if not found:
        raise OSError(f"{container} has no process")
    return min(found)[1]


def get(node, target, timeout=10, port=80):
    connection = http.client.HTTPConnection(NODES[node], port, timeout=timeout)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read().decode("utf-8", "replace"))
    finally:
        connection.close()


def admin_of(process, path, *options):
    """The answer of the gateway's admin listener, asked from within its container."""
    done = subprocess.run(["nsenter", "--net", "--target", str(process),
                           "curl", "-sS", "--max-time", "5", *options, f"http://127.0.0.1:8081{path}"], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"the admin listener: {done.stderr}")
    return done.stdout


def admin(node, path, *options):
    return admin_of(process_of(tasks("gateway", node)[0]), path, *options)


def upstream(node, name="patient"):
    return next(one for one in json.loads(admin(node, "/upstreams"))["upstreams"] if one["name"] == name)


def breaker_events(node):
    """Of its breakers' transitions; calls that failed are no business here."""
    return [event for event in json.loads(admin(node, "/actuator/circuitbreakerevents"))["circuitBreakerEvents"]
            if event["stateTransition"]]


def metric(node, series, **labels):
    """The sum of the series that have all of these labels."""
    total = 0
    for line in admin(node, "/metrics").splitlines():
        found = re.match(series + r"(?:\{(.*)\})? (\S+)$", line)
        if found and all(f'{name}="{value}"' in (found.group(1) or "") for name, value in labels.items()):
            total += float(found.group(2))
    return total


def replica_of(body):
    """The stand-in service tells its host name, which is swarm's name of the task: service.slot.task.node"""
    found = re.search(STACK + r"_\w+\.\d+\.\w+\.\w+", body)
    return found.group(0) if found else None


def node_of(replica):
    return replica.rsplit(".", 1)[1]


def eventually(question, seconds, what):
    """Asks until the answer is true; returns it. A request that fails is an answer that is not true yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            answer = question()
        except (OSError, http.client.HTTPException, IndexError) as error:
            answer, last = None, error
        else:
            last = answer
        if answer:
            return answer
        assert time.monotonic() < end, f"{what}: not within {seconds} s, last: {last}"
        time.sleep(0.1)


def settled(replicas=3, nodes=tuple(NODES), seconds=90):
    """Until so many replicas run and are healthy, and every gateway knows them all, as well, and no others: for a second and a
    half, as swarm may be about to move. [(node, container)]"""
    def is_so():
        running = all_tasks("patient", nodes)
        if len(running) != replicas or len(all_tasks("gateway", nodes)) != len(nodes):
            return False
        for node, container in running + all_tasks("gateway", nodes):
            if inspect(container, node)["State"]["Health"]["Status"] != "healthy":
                return False
        for node in nodes:
            seen = upstream(node)
            if seen["breaker"]["state"] != "CLOSED" or len(seen["endpoints"]) != replicas:
                return False
            if any(endpoint["ejectedForMs"] > 0 for endpoint in seen["endpoints"]):
                return False
        return running

    def stays_so():
        before = is_so() and all_tasks("gateway", nodes)
        if not before:
            return False
        time.sleep(1.5)
        after = is_so()
        return after if all_tasks("gateway", nodes) == before else False

    return eventually(stays_so, seconds, f"{replicas} healthy replicas, known to the gateways of {', '.join(nodes)}")
