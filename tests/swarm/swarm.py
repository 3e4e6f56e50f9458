"""What the swarm tests stand on: docker commands on a node, requests to a node's gateway, a steady load.

The client runs in the network namespace of the test's LAN, outside the swarm, so it sees what a user of the hospital
sees: port 80 of the nodes' addresses.
"""
import collections
import http.client
import json
import os
import re
import subprocess
import threading
import time

NODES = {"node1": "10.77.0.11", "node2": "10.77.0.12"}
WORK = os.environ["SWARM_WORK"]
STACK = "hospital"
FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(FOLDER))

# The stack's health check is for an image that has curl; the stand-in brings its own.
SPRING_CHECK, STAND_IN_CHECK = '"curl", "-fsS", "-o", "/dev/null"', '"/service", "--check"'

Answer = collections.namedtuple("Answer", "status headers body")


def docker(*arguments, node="node1", check=True, **options):
    command = [os.environ["SWARM_CLIENT"], "-H", f"unix://{WORK}/{node}/docker.sock", *arguments]
    done = subprocess.run(command, text=True, capture_output=True, timeout=180, **options)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)} on {node}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def deploy(config_version=1, config_file=None):
    environment = dict(
        os.environ,
        GATEWAY_IMAGE=os.environ["SWARM_GATEWAY_IMAGE"],
        SERVICE_IMAGE=os.environ["SWARM_SERVICE_IMAGE"],
        PATIENT_IMAGE=os.environ["SWARM_SERVICE_IMAGE"],
        RECEPTION_IMAGE=os.environ["SWARM_SERVICE_IMAGE"],
        GATEWAY_CONFIG=str(config_version),
        GATEWAY_CONFIG_FILE=config_file or f"{ROOT}/deploy/gateway.yml",
    )
    with open(f"{ROOT}/deploy/hospital-stack.yml") as file:
        stack = file.read()
    assert stack.count(SPRING_CHECK) == 2
    with open(f"{WORK}/hospital-stack.yml", "w") as file:
        file.write(stack.replace(SPRING_CHECK, STAND_IN_CHECK))
    docker("stack", "deploy", "--resolve-image", "never", "-c", f"{WORK}/hospital-stack.yml",
           "-c", f"{FOLDER}/stack.yml", STACK, env=environment)


def tasks(service, node):
    """The ids of the service's running containers on one node."""
    return docker("ps", "-q", "--no-trunc", "--filter", f"label=com.docker.swarm.service.name={STACK}_{service}",
                  node=node).split()


def inspect(container, node):
    return json.loads(docker("inspect", container, node=node))[0]


def get(node, target, timeout=10):
    connection = http.client.HTTPConnection(NODES[node], 80, timeout=timeout)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read().decode("utf-8", "replace"))
    finally:
        connection.close()


def replica_of(body):
    """The stand-in service tells its host name, which is swarm's name of the task: service.slot.task.node"""
    found = re.search(STACK + r"_\w+\.\d+\.\w+\.\w+", body)
    return found.group(0) if found else None


def eventually(question, seconds, what):
    """Asks until the answer is true; returns it. A request that fails is an answer that is not true yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            answer = question()
        except (OSError, http.client.HTTPException) as error:
            answer, last = None, error
        else:
            last = answer
        if answer:
            return answer
        assert time.monotonic() < end, f"{what}: not within {seconds} s, last: {last}"
        time.sleep(0.1)


class Load:
    """A steady load over all nodes on kept connections, with every failure kept: each request counts that was not
    answered with 200. What a user would see as an error is an error here; nothing is asked again."""

    def __init__(self, target="/patient/7", nodes=tuple(NODES), clients=8, pause=0.02):
        self.target, self.nodes, self.pause = target, nodes, pause
        self.failures, self.first_seen, self.counts = [], {}, collections.Counter()
        self.slowest = 0.0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client, args=(nodes[i % len(nodes)],)) for i in range(clients)]

    def client(self, node):
        connection = http.client.HTTPConnection(NODES[node], 80, timeout=15)
        while not self.stopping.is_set():
            begun, failure = time.monotonic(), None
            try:
                connection.request("GET", self.target)
                response = connection.getresponse()
                body = response.read().decode("utf-8", "replace")
                if response.status != 200:
                    failure = (response.status, response.getheader("Proxy-Status"), body[:80])
            except (OSError, http.client.HTTPException) as error:
                failure, body = (type(error).__name__, str(error)), ""
                connection.close()
            with self.lock:
                self.slowest = max(self.slowest, time.monotonic() - begun)
                if failure:
                    self.failures.append((round(time.time(), 3), node) + failure)
                else:
                    replica = replica_of(body)
                    self.counts[replica] += 1
                    self.first_seen.setdefault(replica, time.time())
            time.sleep(self.pause)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        print(f"{sum(self.counts.values())} answered, {len(self.failures)} failed, slowest {self.slowest:.3f} s, "
              f"{dict(self.counts)}")

    def seen_since(self, seconds):
        """The replicas that answer within the next seconds."""
        with self.lock:
            before = dict(self.counts)
        time.sleep(seconds)
        with self.lock:
            return {replica for replica, count in self.counts.items() if count > before.get(replica, 0)}
