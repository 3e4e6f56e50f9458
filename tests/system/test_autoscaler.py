"""The autoscaler before a Docker Engine that misbehaves on purpose: it is real HTTP over a real Unix socket, but the swarm behind
it is a dictionary."""
import copy
import datetime
import http.client
import http.server
import json
import os
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.parse

import pytest

from harness import BUILD, ended_after, free_port, taken_slowly, until

AUTOSCALER = os.path.join(os.path.dirname(os.environ.get("GATEWAY_BINARY") or os.path.join(BUILD, "gateway")), "autoscaler")


def spec(name, replicas=2, **labels):
    """As swarm has it, with fields that the autoscaler knows nothing of."""
    return {"Name": name, "Labels": {"com.docker.stack.namespace": "hospital", **{f"autoscale.{key}": value for key, value in labels.items()}},
            "TaskTemplate": {"ContainerSpec": {"Image": "patient:v1", "Env": ["A=ä", "B=\"x\""], "Healthcheck": {"Interval": 5000000000}},
                             "Resources": {"Limits": {"NanoCPUs": 1500000000, "MemoryBytes": 9007199254740993}}, "ForceUpdate": 3,
                             "Networks": [{"Target": "n1", "Aliases": ["patient"]}], "Runtime": "container", "Unheard": [None, True, {}]},
            "Mode": {"Replicated": {"Replicas": replicas}},
            "UpdateConfig": {"Parallelism": 1, "MaxFailureRatio": 0.1, "Order": "start-first"}, "EndpointSpec": {"Mode": "dnsrr"}}


class Engine:
    """One swarm manager. `before(path)` may change the swarm while a request is under way; it may return (status, message), to be
    answered instead. `version`: it is an engine of API 1.VERSION and says so, as real ones do, refuses versions below 1.44, and
    takes from a Spec what the version of the update does not know; None: it says nothing."""

    def __init__(self, version=None):
        self.folder = tempfile.TemporaryDirectory(prefix="autoscaler-")
        self.socket = os.path.join(self.folder.name, "docker.sock")
        self.lock = threading.Lock()
        self.services, self.updates, self.asked = {}, [], []
        self.before = lambda method, path: None
        self.version = version
        self.after = lambda method, path: True  # False: the answer is lost
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def address_string(self):
                return "unix"

            def do_GET(self):
                engine.serve(self, None)

            def do_POST(self):
                engine.serve(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(self.socket, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, name, replicas=2, state=None, mode=None, **labels):
        service = {"ID": f"id{len(self.services)}", "Version": {"Index": 10}, "Spec": spec(name, replicas, **labels)}
        if mode:
            service["Spec"]["Mode"] = mode
        if state:
            service["UpdateStatus"] = {"State": state}
        self.services[name] = service
        return service

    def replicas(self, name):
        with self.lock:
            return self.services[name]["Spec"]["Mode"]["Replicated"]["Replicas"]

    def change(self, name, **keys):
        """Somebody else does."""
        service = self.services[name]
        service["Version"]["Index"] += 7
        if "replicas" in keys:
            service["Spec"]["Mode"]["Replicated"]["Replicas"] = keys["replicas"]
        if "state" in keys:
            service["UpdateStatus"] = {"State": keys["state"]}

    def serve(self, handler, body):
        url = urllib.parse.urlsplit(handler.path)
        with self.lock:
            self.asked.append((handler.command, handler.path))
            named = self.version
            answer = self.refusal(url)
        answer = answer or self.before(handler.command, handler.path)
        if answer is None:
            with self.lock:
                answer = self.answer(handler.command, url, body)
        if not self.after(handler.command, handler.path):
            handler.close_connection = True
            return
        status, value = answer
        data = json.dumps({"message": value} if isinstance(value, str) else value).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        if named:
            handler.send_header("Api-Version", named if isinstance(named, str) else f"1.{named}")
        handler.end_headers()
        handler.wfile.write(data)

    def asked_in(self, url):
        return int(url.path.split("/")[1].removeprefix("v1."))

    def refusal(self, url):
        if not isinstance(self.version, int):
            return None
        if self.version >= 44 and self.asked_in(url) < 44:
            return 400, f"client version 1.{self.asked_in(url)} is too old. Minimum supported API version is 1.44"
        if self.asked_in(url) > self.version:
            return 400, f"client version 1.{self.asked_in(url)} is too new. Maximum supported API version is 1.{self.version}"
        return None

    def answer(self, method, url, body):
        parts = url.path.split("/")[2:]
        if parts == ["services"]:
            return 200, list(self.services.values())
        service = next((one for one in self.services.values() if parts[1] in (one["ID"], one["Spec"]["Name"])), None)
        if service is None:
            return 404, f"service {parts[1]} not found"
        if method == "GET":
            return 200, service
        if urllib.parse.parse_qs(url.query)["version"] != [str(service["Version"]["Index"])]:
            return 500, "rpc error: code = Unknown desc = update out of sequence"
        if isinstance(self.version, int) and self.asked_in(url) < self.version:
            body["TaskTemplate"]["ContainerSpec"].pop("Privileges", None)
            body["TaskTemplate"]["ContainerSpec"]["Healthcheck"].pop("StartInterval", None)
        self.updates.append((service["Spec"]["Name"], copy.deepcopy(service["Spec"]), body))
        service["Spec"] = body
        service["Version"]["Index"] += 1
        return 200, {"Warnings": None}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()


class Autoscaler:
    def __init__(self, folder, engine, *options):
        self.port = free_port()
        self.log = open(folder / f"autoscaler-{self.port}.log", "w+")
        self.process = subprocess.Popen([AUTOSCALER, "--listen", f"127.0.0.1:{self.port}", "--docker", f"unix://{engine.socket}", *options],
                                        stderr=self.log)
        until(lambda: "ready" in self.said() or self.process.poll() is not None, "the autoscaler")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        data = answer.read().decode()
        connection.close()
        return answer.status, data

    def send(self, *alerts, path="/alert/api/v2/alerts"):
        assert self.ask("POST", path, json.dumps(alerts))[0] == 200

    def count(self, result):
        line = next(line for line in self.ask("GET", "/metrics")[1].splitlines() if f'result="{result}"' in line)
        return int(line.split()[-1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(15) == 0, self.said()
        self.log.close()


def alert(service="patient", fires=True, **annotations):
    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=4 if fires else -4)
    return {"labels": {"alertname": "patient_request_rate_error", "scale": service}, "annotations": annotations,
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": ends.isoformat().replace("+00:00", "Z"), "generatorURL": "http://prometheus:9090"}


@pytest.fixture
def engine():
    yield from ended_after(Engine)


@pytest.fixture
def autoscaler(tmp_path):
    yield from ended_after(lambda *arguments: Autoscaler(tmp_path, *arguments))


@pytest.fixture
def swarm(engine, autoscaler):
    """An engine with hospital_patient, and an autoscaler before it."""
    started = engine()
    started.add("hospital_patient", max="5", cooldown="0s")
    return started, autoscaler(started)


def scales_and_keeps_the_rest(engine, scaler):
    """One step up, and no field of the Spec is lost or changed. Returns what the engine was asked for that."""
    updates, asked = len(engine.updates), len(engine.asked)
    scaler.send(alert("hospital_patient"))
    until(lambda: len(engine.updates) > updates, "the update")
    until(lambda: scaler.count("scaled_up") == updates + 1, "the decision")
    _, before, after = engine.updates[-1]
    before["Mode"]["Replicated"]["Replicas"] += 1
    assert json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    return [(method, path.split("/")[1]) for method, path in engine.asked[asked:] if path.split("/")[2:] != ["services"]]  # a sweep


@pytest.fixture
def versioned(engine, autoscaler):
    def start(version):
        started = engine(version)
        container = started.add("hospital_patient", max="9", cooldown="0s")["Spec"]["TaskTemplate"]["ContainerSpec"]
        container["Privileges"] = {"NoNewPrivileges": True, "Seccomp": {"Mode": "unconfined"}}
        container["Healthcheck"]["StartInterval"] = 1000000000
        return started, autoscaler(started)

    return start


def test_the_engine_is_asked_in_its_own_version(versioned):
    engine, scaler = versioned(52)
    assert scales_and_keeps_the_rest(engine, scaler) == [("GET", "v1.41"), ("GET", "v1.52"), ("POST", "v1.52")]
    assert scales_and_keeps_the_rest(engine, scaler) == [("GET", "v1.52"), ("POST", "v1.52")]
    engine.version = 54  # the engine is upgraded
    assert scales_and_keeps_the_rest(engine, scaler) == [("GET", "v1.52"), ("GET", "v1.54"), ("POST", "v1.54")]
    engine.version = 47  # and downgraded
    assert scales_and_keeps_the_rest(engine, scaler) == [("GET", "v1.54"), ("GET", "v1.47"), ("POST", "v1.47")]
    assert scaler.count("engine_failed") == 0


@pytest.mark.parametrize("version", [None, 41, "1.40", "1.4100", "1.", "2.47", "1.47x", "1.47 1.48", "x", "", "1.-1"])
def test_an_engine_that_names_no_newer_version_is_asked_in_the_oldest(versioned, version):
    engine, scaler = versioned(version)
    assert scales_and_keeps_the_rest(engine, scaler) == [("GET", "v1.41"), ("POST", "v1.41")]


def test_an_engine_that_names_another_version_each_time_is_given_up(versioned):
    engine, scaler = versioned("1.50")
    named = iter(range(51, 151))

    def name_another(method, path):
        engine.version = f"1.{next(named)}"

    engine.before = name_another
    scaler.send(alert("hospital_patient"))
    until(lambda: "the engine names another API version in each answer" in scaler.said(), "given up")
    assert engine.updates == []


@pytest.mark.parametrize("path", ["/alert/api/v2/alerts", "/alert/api/v1/alerts"])
def test_an_alert_scales_and_nothing_else_changes(swarm, path):
    engine, scaler = swarm
    scaler.send(alert("hospital_patient"), path=path)
    until(lambda: engine.updates, "the update")
    name, before, after = engine.updates[0]
    assert engine.replicas(name) == 3
    before["Mode"]["Replicated"]["Replicas"] = 3
    assert json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


def test_the_stacks_name_may_be_left_out(swarm):
    engine, scaler = swarm
    scaler.send(alert())
    until(lambda: engine.replicas("hospital_patient") == 3, "scaled")
    other = engine.add("clinic_patient", max="5")
    other["Spec"]["Labels"]["com.docker.stack.namespace"] = "clinic"
    scaler.send(alert())
    until(lambda: "several stacks have a service of this name" in scaler.said(), "nobody knows which")
    assert engine.replicas("clinic_patient") == 2


@pytest.mark.parametrize("status", [400, 500])
def test_a_name_with_which_several_ids_begin_is_the_stacks_service(swarm, status):
    """Where no service has the name, the engine takes it for the beginning of an id; older engines answer 500."""
    engine, scaler = swarm
    engine.before = lambda method, path: (status, "service patient is ambiguous (2 matches found)") if path.endswith("/services/patient") else None
    scaler.send(alert())
    until(lambda: engine.replicas("hospital_patient") == 3, "scaled")
    assert scaler.count("engine_failed") == 0


def test_alertmanagers_webhook(swarm):
    engine, scaler = swarm
    message = {"version": "4", "status": "firing", "alerts": [dict(alert(), status="firing", endsAt="0001-01-01T00:00:00Z"),
                                                              dict(alert("nobody"), status="resolved")]}
    assert scaler.ask("POST", "/alert", json.dumps(message))[0] == 200
    until(lambda: engine.replicas("hospital_patient") == 3, "scaled")


def test_never_above_the_maximum(swarm):
    engine, scaler = swarm
    for _ in range(8):
        handled = scaler.count("scaled_up") + scaler.count("at_bound")
        scaler.send(alert())
        until(lambda: scaler.count("scaled_up") + scaler.count("at_bound") > handled, "a decision")
    assert engine.replicas("hospital_patient") == 5 and len(engine.updates) == 3
    scaler.send(alert(replicas="400"))
    until(lambda: scaler.count("at_bound") > 5, "a decision")
    assert engine.replicas("hospital_patient") == 5


def test_the_annotation_is_the_wanted_number(swarm):
    engine, scaler = swarm
    scaler.send(alert(replicas="3.2"))
    until(lambda: engine.replicas("hospital_patient") == 4, "scaled")
    scaler.send(alert(replicas="2"))
    until(lambda: scaler.count("at_bound") == 1, "a decision")
    assert engine.replicas("hospital_patient") == 4


@pytest.mark.parametrize("batches", [1, 2])
def test_a_low_number_takes_no_step_from_another_alert(engine, autoscaler, batches):
    """Two alerts in one message, or in two that come while the engine is asked about another service."""
    started, released = engine(), threading.Event()
    started.add("ward", max="9")
    started.add("patient", replicas=3, max="9", cooldown="0s")
    started.before = lambda method, path: released.wait(30) and None if path.endswith("/services/ward") else None
    scaler, alerts = autoscaler(started), [alert(), alert(replicas="2")]
    scaler.send(alert("ward"))
    until(lambda: started.asked, "the engine is asked")
    for batch in [alerts] if batches == 1 else [[one] for one in alerts]:
        scaler.send(*batch)
    released.set()
    until(lambda: started.replicas("patient") == 4, "a step up")
    assert scaler.count("at_bound") == 0


def test_one_batch_is_one_decision_for_each_service(swarm):
    engine, scaler = swarm
    engine.add("hospital_ward", max="4", cooldown="0s")
    scaler.send(alert(fires=False), alert(), alert(), alert("hospital_ward", fires=False), alert("unknown"), {"labels": {}}, alert(fires=False))
    until(lambda: scaler.count("scaled_up") == 1 and scaler.count("resolved") == 1 and scaler.count("unknown_service") == 1, "decisions")
    assert engine.replicas("hospital_patient") == 3 and engine.replicas("hospital_ward") == 2
    until(lambda: "service unknown: left alone, unknown_service: there is no service of this name" in scaler.said(), "it says so")


def test_a_resolved_alert_never_scales(swarm):
    engine, scaler = swarm
    scaler.send(alert(fires=False, replicas="5"))
    until(lambda: scaler.count("resolved") == 1, "a decision")
    assert engine.updates == []


def test_without_a_maximum_nothing_is_scaled(engine, autoscaler):
    started = engine()
    started.add("patient")
    started.add("gateway", mode={"Global": {}}, max="5")
    scaler = autoscaler(started)
    scaler.send(alert("patient"), alert("gateway"))
    until(lambda: scaler.count("no_max") == 1 and scaler.count("not_replicated") == 1, "decisions")
    until(lambda: "it has no label autoscale.max" in scaler.said(), "it says so")
    assert started.updates == []


@pytest.mark.parametrize("state", ["updating", "paused", "rollback_started", "rollback_paused"])
def test_never_in_the_middle_of_a_rollout(engine, autoscaler, state):
    started = engine()
    started.add("patient", state=state, max="5")
    scaler = autoscaler(started)
    scaler.send(alert())
    until(lambda: scaler.count("rollout") == 1, "a decision")
    assert started.updates == []
    started.change("patient", state="completed")
    scaler.send(alert())
    until(lambda: started.replicas("patient") == 3, "scaled after it")


def test_cooldown(engine, autoscaler):
    started = engine()
    started.add("patient", max="9", cooldown="1h")
    scaler = autoscaler(started)
    scaler.send(alert())
    until(lambda: started.replicas("patient") == 3, "scaled")
    started.change("patient", replicas=4)  # by hand: no change of ours
    scaler.send(alert())
    until(lambda: scaler.count("cooldown") == 1, "a decision")
    assert started.replicas("patient") == 4


@pytest.mark.parametrize("is_late", [False, True], ids=["lost", "late"])
def test_a_change_whose_answer_is_missing_counts_for_the_cooldown(engine, autoscaler, is_late):
    started = engine()
    started.add("patient", max="9", cooldown="1h")
    scaler, ended = autoscaler(started), threading.Event()
    started.after = lambda method, path: method != "POST" or (is_late and ended.wait(30) and False)
    scaler.send(alert())
    until(lambda: scaler.count("engine_failed") == 1, "no answer")
    scaler.send(alert())
    until(lambda: scaler.count("cooldown") == 1, "a decision")
    ended.set()
    assert started.replicas("patient") == 3 and scaler.count("conflicts") == 0
    assert [method for method, _ in started.asked].count("POST") == 1


def test_a_change_that_was_never_made_starts_no_cooldown(engine, autoscaler):
    """Nobody listens when the change is to be sent, or the engine refuses it."""
    started = engine()
    started.add("patient", max="9", cooldown="1h")
    scaler, elsewhere = autoscaler(started), started.socket + "-"
    started.before = lambda method, path: (503, "This node is not a swarm manager.") if method == "POST" else None
    scaler.send(alert())
    until(lambda: scaler.count("engine_failed") == 1, "refused")
    started.before = lambda method, path: os.rename(started.socket, elsewhere) if method == "GET" and "patient" in path else None
    scaler.send(alert())
    until(lambda: scaler.count("engine_failed") == 2, "nobody listens")
    started.before = lambda method, path: None
    os.rename(elsewhere, started.socket)
    scaler.send(alert())
    until(lambda: started.replicas("patient") == 3, "scaled")


def test_a_conflict_is_decided_anew(swarm):
    """Somebody scales by hand, or begins a rollout, between our look and our change."""
    engine, scaler = swarm
    hands = [lambda: engine.change("hospital_patient", replicas=4)]
    engine.before = lambda method, path: hands.pop()() if method == "POST" and hands else None
    scaler.send(alert())
    until(lambda: engine.replicas("hospital_patient") == 5, "scaled from what it is now")
    assert scaler.count("conflicts") == 1
    engine.services["hospital_patient"]["Spec"]["Mode"]["Replicated"]["Replicas"] = 2
    hands.append(lambda: engine.change("hospital_patient", state="updating"))
    scaler.send(alert())
    until(lambda: scaler.count("rollout") == 1, "left alone")
    assert engine.replicas("hospital_patient") == 2


def test_three_conflicts_are_enough(swarm):
    engine, scaler = swarm
    engine.before = lambda method, path: engine.change("hospital_patient") if method == "POST" else None
    scaler.send(alert())
    until(lambda: "update out of sequence" in scaler.said(), "given up")
    assert len([1 for method, _ in engine.asked if method == "POST"]) == 3 and engine.updates == []


@pytest.mark.parametrize("answer", [(503, "This node is not a swarm manager."), (500, "boom"), (200, "nonsense"), (200, []), (400, {})])
def test_an_engine_that_fails_hurts_nobody(swarm, answer):
    engine, scaler = swarm
    engine.before = lambda method, path: answer
    scaler.send(alert("hospital_patient"))
    until(lambda: scaler.count("engine_failed") == 1, "a decision")
    engine.before = lambda method, path: None
    scaler.send(alert("hospital_patient"))
    until(lambda: engine.replicas("hospital_patient") == 3, "scaled")


def test_an_engine_that_hangs_hurts_nobody(swarm):
    engine, scaler = swarm
    released = threading.Event()
    engine.before = lambda method, path: released.wait(30) and None
    scaler.send(alert("hospital_patient"))
    until(lambda: engine.asked, "the engine is asked")
    for _ in range(20):
        assert scaler.ask("GET", "/livez")[0] == 200
        scaler.send(alert("hospital_patient"))
    until(lambda: scaler.count("engine_failed") >= 1, "a time limit", seconds=30)
    released.set()
    until(lambda: engine.replicas("hospital_patient") >= 3, "scaled", seconds=30)


def test_names_of_nothing_take_no_services_place(swarm):
    engine, scaler = swarm
    scaler.send(*[alert(f"nothing{number}") for number in range(1024)])
    until(lambda: scaler.count("unknown_service") == 1024, "all were asked for", 60)
    scaler.send(alert())
    until(lambda: engine.replicas("hospital_patient") == 3, "scaled")
    assert scaler.count("dropped") == 0


def test_it_shrinks_only_where_it_may(engine, autoscaler):
    started = engine()
    started.add("patient", replicas=4, max="5", min="3", down="1ms", cooldown="0s")
    started.add("ward", replicas=4, max="5")
    scaler = autoscaler(started)
    until(lambda: scaler.count("scaled_down") == 1, "one step down", seconds=40)
    assert started.replicas("patient") == 3 and started.replicas("ward") == 4


def test_a_short_time_is_kept(engine, autoscaler):
    """After a service's alert the autoscaler looks at it as often as its autoscale.down asks, not only every ten seconds."""
    started, steps = engine(), []
    started.add("hospital_patient", replicas=4, max="5", down="1s", cooldown="0s")
    started.before = lambda method, path: steps.append(time.monotonic()) if method == "POST" else None
    scaler = autoscaler(started)
    scaler.send(alert("hospital_patient"))
    until(lambda: steps, "a step up")
    scaler.send(alert("hospital_patient", fires=False))
    until(lambda: started.replicas("hospital_patient") == 1 and len(steps) == 5, "a step up and four down", seconds=60)
    assert steps[-1] - steps[0] < 30


def test_it_does_not_shrink_while_an_alert_fires(engine, autoscaler):
    """Alertmanager repeats an alert only after hours. The alert names the service without its stack."""
    started = engine()
    started.add("hospital_patient", max="4", down="1ms", cooldown="0s")
    scaler = autoscaler(started)
    labels = {"alertname": "load", "scale": "patient"}
    body = {"version": "4", "alerts": [{"status": "firing", "labels": labels, "endsAt": "0001-01-01T00:00:00Z"}]}
    assert scaler.ask("POST", "/alert", json.dumps(body))[0] == 200
    until(lambda: scaler.count("scaled_up") == 1, "a step up")
    swept = sweeps(started)
    until(lambda: sweeps(started) >= swept + 3, "three sweeps", seconds=60)
    assert scaler.count("scaled_down") == 0
    body["alerts"][0]["status"] = "resolved"
    assert scaler.ask("POST", "/alert", json.dumps(body))[0] == 200
    until(lambda: scaler.count("scaled_down") == 2, "down to one", seconds=60)


def webhook(scaler, *alerts):
    """A message of Alertmanager, which repeats an alert only after hours. Each alert: (alertname, service, status)."""
    listed = [{"status": status, "labels": {"alertname": name, "scale": service}, "endsAt": "0001-01-01T00:00:00Z"} for name, service, status in alerts]
    assert scaler.ask("POST", "/alert", json.dumps({"version": "4", "alerts": listed}))[0] == 200


@pytest.mark.parametrize("other", ["patient", "hospital_patient"])
def test_an_alert_that_is_resolved_ends_no_other(engine, autoscaler, other):
    started = engine()
    started.add("hospital_patient", replicas=4, max="4", down="1ms", cooldown="0s")
    scaler = autoscaler(started)
    webhook(scaler, ("load", "patient", "firing"))
    webhook(scaler, ("latency", other, "firing"))
    webhook(scaler, ("latency", other, "resolved"))
    until(lambda: scaler.count("at_bound") + scaler.count("resolved") >= 1, "a decision")
    swept = sweeps(started)
    until(lambda: sweeps(started) >= swept + 3, "three sweeps", seconds=60)
    assert scaler.count("scaled_down") == 0 and started.replicas("hospital_patient") == 4
    webhook(scaler, ("load", "patient", "resolved"))
    until(lambda: started.replicas("hospital_patient") == 1, "down to one", seconds=60)


def test_an_alert_that_is_resolved_takes_no_step_from_another(engine, autoscaler):
    """Both come while the engine is asked about another service."""
    started, released = engine(), threading.Event()
    started.add("ward", max="9")
    started.add("patient", max="9", cooldown="0s")
    started.before = lambda method, path: released.wait(30) and None if path.endswith("/services/ward") else None
    scaler = autoscaler(started)
    scaler.send(alert("ward"))
    until(lambda: started.asked, "the engine is asked")
    webhook(scaler, ("load", "patient", "firing"))
    webhook(scaler, ("latency", "patient", "resolved"))
    released.set()
    until(lambda: started.replicas("patient") == 3, "a step up")
    assert scaler.count("resolved") == 0


@pytest.mark.parametrize("name", ["hospital_patient", "patient"])
def test_an_alert_that_comes_during_a_sweep_keeps_it_from_shrinking(engine, autoscaler, name):
    started = engine()
    started.add("hospital_patient", replicas=4, max="9", down="1ms", cooldown="0s")
    scaler, sent = autoscaler(started), []

    def fire(method, path):
        if path.endswith("/services/hospital_patient") and not sent:
            time.sleep(0.01)  # autoscale.down passes
            sent.append(scaler.send(alert(name)))

    started.before = fire
    until(lambda: started.updates, "an update", seconds=60)
    assert started.updates[0][2]["Mode"]["Replicated"]["Replicas"] == 5


def test_an_alert_keeps_a_service_from_shrinking_though_the_engine_failed(engine, autoscaler):
    """The alert leaves the stack's name out, and the engine fails before it says which service that is."""
    started, seen = engine(), []
    started.add("hospital_patient", replicas=4, max="4", down="8s", cooldown="0s")
    scaler = autoscaler(started)
    scaler.send(alert("hospital_patient"))
    until(lambda: scaler.count("at_bound") == 1, "a decision")

    def fire(method, path):
        if path.endswith("/services"):
            seen.append(started.replicas("hospital_patient"))
            if len(seen) == 1:
                scaler.send(alert("patient"))
        return (500, "boom") if path.endswith("/services/patient") else None

    started.before = fire
    until(lambda: len(seen) == 2, "two sweeps", seconds=60)
    assert seen == [4, 4] and scaler.count("engine_failed") == 1


def test_an_alert_does_not_wait_for_the_whole_sweep(engine, autoscaler):
    started = engine()
    for number in range(3):
        started.add(f"patient{number}", max="9", down="1h")
    started.add("ward", max="9")
    scaler, asked = autoscaler(started), []

    def fire(method, path):
        if method == "GET" and not path.endswith("/services"):
            asked.append(path.split("/")[-1])
            if len(asked) == 1:
                scaler.send(alert("ward"))

    started.before = fire
    until(lambda: len(asked) == 4, "the sweep", seconds=60)
    assert asked == ["patient0", "ward", "patient1", "patient2"] and started.replicas("ward") == 3


def test_it_ends_in_the_middle_of_a_sweep(engine, autoscaler):
    """The engine hangs: each service more would take the time limit of a request once more."""
    started, released, asked = engine(), threading.Event(), []
    for number in range(3):
        started.add(f"patient{number}", max="9", down="1h")
    scaler = autoscaler(started)

    def hang(method, path):
        if not path.endswith("/services"):
            asked.append(path)
            released.wait(60)

    started.before = hang
    until(lambda: asked, "the sweep", seconds=60)
    scaler.process.send_signal(signal.SIGTERM)
    assert scaler.process.wait(60) == 0
    released.set()
    assert len(asked) == 1


def sweeps(engine):
    return [path for _, path in engine.asked].count("/v1.41/services")


def test_a_new_service_shrinks_only_after_its_own_time(engine, autoscaler):
    """The autoscaler runs for longer than autoscale.down when it sees the service first."""
    started, seen = engine(), []
    scaler = autoscaler(started)
    started.add("patient", replicas=4, max="5", down="9s", cooldown="0s")
    started.before = lambda method, path: seen.append(started.replicas("patient")) if path.endswith("/services") else None
    until(lambda: scaler.count("scaled_down") == 1, "a step down", seconds=60)
    assert seen[:2] == [4, 4] and started.replicas("patient") == 3


def test_a_service_that_was_removed_and_made_anew_begins_anew(engine, autoscaler):
    started = engine()
    started.add("patient", max="9", cooldown="1h", down="1h")
    scaler = autoscaler(started)
    scaler.send(alert())
    until(lambda: started.replicas("patient") == 3, "scaled")
    with started.lock:
        started.add("patient", max="9", cooldown="1h", down="1h")["ID"] = "another"
    swept = sweeps(started)
    until(lambda: sweeps(started) > swept and started.asked[-1][1].endswith("/patient"), "a sweep", seconds=60)
    scaler.send(alert())
    until(lambda: started.replicas("patient") == 3, "scaled, although the old one was scaled a moment ago")
    assert scaler.count("cooldown") == 0


def test_dry_run(engine, autoscaler):
    started = engine()
    started.add("patient", max="5")
    scaler = autoscaler(started, "--dry-run")
    scaler.send(alert())
    until(lambda: "would scale from 2 to 3" in scaler.said(), "a decision")
    assert started.updates == [] and all(method == "GET" for method, _ in started.asked)


@pytest.mark.parametrize("body, status", [(b"", 400), (b"{", 400), (b"7", 400), (b"{}", 400), (b"[7]", 400), (b"[" * 100000, 400),
                                          (b"\xff\xfe[]", 400), (b" " * (4 << 20), 413)],
                         ids=["nothing", "half an object", "a number", "no alerts", "a list", "depth", "no text", "too much"])
def test_a_body_that_is_no_alert_is_refused(swarm, body, status):
    engine, scaler = swarm
    try:
        assert scaler.ask("POST", "/alert/api/v2/alerts", body)[0] == status
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413
    assert scaler.ask("GET", "/livez")[0] == 200 and engine.updates == []


def test_slow_senders_are_bounded(swarm):
    _, scaler = swarm
    slow = []
    for _ in range(200):
        slow.append(socket.create_connection(("127.0.0.1", scaler.port)))
        slow[-1].sendall(b"POST /alert/api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[")
    assert scaler.ask("GET", "/livez")[0] == 200
    until(lambda: len(os.listdir(f"/proc/{scaler.process.pid}/fd")) < 100, "descriptors are bounded", seconds=60)
    for one in slow:
        one.close()


def test_a_client_may_take_the_page_slowly(engine, autoscaler):
    """As long as it goes on taking it: more than the ten seconds that evhttp would give it."""
    started, names = engine(), [f"{'x' * 240}{number}" for number in range(100)]
    for name in names:
        started.add(name, max="5", cooldown="0s")
    scaler = autoscaler(started)
    scaler.send(*(dict(alert(), labels={"alertname": '"' * 127, "scale": name}) for name in names))
    until(lambda: scaler.count("scaled_up") == 100, "all are scaled", seconds=60)
    head, _, body = taken_slowly(scaler.port, "/", 13).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and body.count(b"<tr>") == 101 and body.endswith(b"</table>\n")


def test_a_page_in_a_browser_can_not_scale(swarm):
    engine, scaler = swarm
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert scaler.ask("POST", "/alert", json.dumps([alert()]), headers)[0] == 403
    assert engine.updates == []


def test_the_page_tells_what_was_done_and_why(swarm):
    engine, scaler = swarm
    scaler.send(alert(), alert("<script>alert(1)</script>"))
    until(lambda: "2 &rarr; 3" in scaler.ask("GET", "/")[1], "it says that it has scaled")
    status, page = scaler.ask("GET", "/")
    assert status == 200 and engine.replicas("hospital_patient") == 3 and "alert patient_request_rate_error" in page and "<script>" not in page
    assert scaler.ask("GET", "/alert")[0] == 405 and scaler.ask("GET", "/nothing")[0] == 404 and scaler.ask("POST", "/nothing")[0] == 404


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/"])
def test_an_answer_to_head_has_no_body(swarm, path):
    """The bytes after its head are the next answer."""
    _, scaler = swarm
    with socket.create_connection(("127.0.0.1", scaler.port), timeout=30) as client:
        client.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\nGET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    first, second, body = answer.split(b"\r\n\r\n", 2)
    assert first.startswith(b"HTTP/1.1 200 ") and second.startswith(b"HTTP/1.1 200 ") and body != b""
    assert all(b"Content-Length: %d" % len(body) in head.split(b"\r\n") for head in (first, second))


def test_an_error_for_head_has_no_body(swarm):
    _, scaler = swarm
    for path, status in ("/nothing", b"404"), ("/alert", b"405"):
        with socket.create_connection(("127.0.0.1", scaler.port), timeout=30) as client:
            client.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.split()[1] == status and answer.endswith(b"\r\n\r\n") and answer.count(b"\r\n\r\n") == 1


def test_healthcheck(swarm):
    _, scaler = swarm
    check = [AUTOSCALER, "--healthcheck", "--listen"]
    assert subprocess.run([*check, f"127.0.0.1:{scaler.port}"], timeout=20).returncode == 0
    assert subprocess.run([*check, f"127.0.0.1:{free_port()}"], timeout=20, capture_output=True).returncode == 1
    assert subprocess.run([*check, f"0.0.0.0:{scaler.port}"], timeout=20).returncode == 0
    asked = subprocess.run([*check, f"127.0.0.2:{scaler.port}"], timeout=20, capture_output=True, text=True)
    assert asked.returncode == 1 and f"http://127.0.0.2:{scaler.port}/livez" in asked.stderr, "where it listens, and nowhere else"


def test_usage():
    for options, status in (["--version"], 0), (["--help"], 0), (["--nonsense"], 2), (["x"], 2), (["--docker", "ftp://x"], 2), (["--listen", "x"], 2):
        assert subprocess.run([AUTOSCALER, *options], capture_output=True, timeout=20).returncode == status
