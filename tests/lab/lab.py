"""The tools of the lab's tests: JMeter's users, Prometheus, the engine, and a check-in. For engine and swarm: tests/swarm/swarm.py."""
import collections
import concurrent.futures
import contextlib
import csv
import http.client
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request

from swarm import NODES, ROOT, STACK, WORK, docker, eventually, tasks

IS_SHORT = bool(os.environ.get("LAB_SHORT"))
NODE = NODES["node1"]
PATIENT = f"{STACK}_patient"


class Users:
    """50 of JMeter, from now until the end of the tests; each asks again 50 ms after its answer."""

    def __init__(self):
        self.path = f"{WORK}/jmeter.jtl"
        with open(f"{WORK}/jmeter.log", "w") as log:
            self.process = subprocess.Popen(
                [f"{ROOT}/deploy/load/run", "-Jthink_ms=50", "-Jramp=1", "-Jjmeter.save.saveservice.autoflush=true"],
                env=dict(os.environ, LOAD_HOST=NODE, LOAD_SECONDS="3600", LOAD_RESULTS=self.path), stdout=log, stderr=log)
        eventually(lambda: len(self.since(0)) >= 100, 90, "JMeter's users ask")
        self.began = min(request.time for request in self.since(0))

    Request = collections.namedtuple("Request", "time ms status")

    def since(self, begin):
        """The requests that were made since then. The last line may be half written."""
        with contextlib.suppress(FileNotFoundError), open(self.path, newline="") as file:
            lines = csv.DictReader(file)
            return [self.Request(int(line["timeStamp"]) / 1000, int(line["elapsed"]), line["responseCode"]) for line in lines
                    if line["success"] in ("true", "false") and int(line["timeStamp"]) / 1000 >= begin]
        return []

    def figure(self, begin):
        """Asserts that none has failed since then, and tells how many there were."""
        requests = self.since(begin)
        failed = collections.Counter(request.status for request in requests if request.status != "200")
        times = sorted(request.ms for request in requests)
        assert len(times) > 20
        text = f"{sum(failed.values())} of {len(times):,} failed, p99 {times[len(times) * 99 // 100]} ms, max {times[-1]} ms"
        assert not failed, f"{text}: {dict(failed)}"
        return text

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def ask(path, timeout=20):
    """(status, headers, body, seconds)"""
    connection = http.client.HTTPConnection(NODE, 80, timeout=timeout)
    began = time.monotonic()
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        return answer.status, dict(answer.getheaders()), body, time.monotonic() - began
    finally:
        connection.close()


def prometheus(path):
    with urllib.request.urlopen(f"http://{NODE}:9090/api/v1/{path}", timeout=10) as answer:
        return json.load(answer)["data"]


def is_firing(name="patient_request_rate_error"):
    return any(alert["state"] == "firing" and alert["labels"]["alertname"] == name for alert in prometheus("alerts")["alerts"])


def service(name=PATIENT):
    return json.loads(docker("service", "inspect", name))[0]


def replicas(name=PATIENT):
    return service(name)["Spec"]["Mode"]["Replicated"]["Replicas"]


def update_state(name=PATIENT):
    return service(name).get("UpdateStatus", {}).get("State", "")


def healthy(name):
    """The containers of a service that run and pass their health check."""
    return docker("ps", "-q", "--no-trunc", "--filter", f"label=com.docker.swarm.service.name={STACK}_{name}", "--filter",
                  "health=healthy").split()


class Watch:
    """Looks at patient all the time: how many replicas its Spec wants, and whether an update is under way."""

    def __init__(self):
        self.seen, self.is_ending = [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_ending:
            one = service()
            self.seen.append((time.time(), one["Spec"]["Mode"]["Replicated"]["Replicas"],
                              one.get("UpdateStatus", {}).get("State", "")))
            time.sleep(0.2)

    def end(self):
        self.is_ending = True
        self.thread.join()

    def since(self, begin):
        return [(number, state) for when, number, state in self.seen if when >= begin]


# ---- messages ------------------------------------------------------------------------------------------------------

def check_in(number):
    status, _, body, _ = ask(f"/reception/check_in_patient?patientId={number % 3 + 1}")
    return json.loads(body).get("id") if status == 200 else None


def check_in_many(count):
    """The events' ids; None for one that reception has refused."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(check_in, range(count)))


def handled(name):
    """Of a service: {topic: {id: [the replicas that handled it]}}, as its database has it."""
    text = docker("exec", tasks(f"{name}_db", "node1")[0], "mariadb", "-N", "-B", f"{name}_db", "-e",
                  "SELECT topic, id, replica FROM events")
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for topic, id, replica in (line.split("\t") for line in text.splitlines()):
        found[topic][id].append(replica)
    return found
