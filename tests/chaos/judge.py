"""The rules that always hold. A complaint names the request; the seed repeats the run, as far as threads let it."""
import glob
import json
import os
import re
import sys

from clients import ANSWERED, BUSY, CUT, SENT, UNANSWERED
from messages import body_of
from settings import ADDRESSES

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

from process import REPORTS  # noqa: E402

MOST_SHOWN = 20
# Endings that leave a client without a whole answer, and whose doing they may be.
BROKEN_OFF = {"response_cut", "response_stalled"}
BY_GATEWAY = {"shed", "drained", "out_of_memory", "client_stalled"}
OWN_STATUSES = {400, 404, 408, 411, 413, 414, 417, 431, 501, 502, 503, 505, 508}
GAUGES = ("gateway_connections_open", "gateway_tunnels_open", "gateway_bulkhead_in_flight", "gateway_bulkhead_waiting",
          "gateway_endpoint_in_flight", "hystrix_concurrent_execution_current")


class Judge:
    def __init__(self, world):
        self.world, self.notes, self.complaints = world, [], []
        self.versions, self.latest, self.floor = {}, 0, 0
        self.late, self.is_cut_short = set(), False

    def complain(self, words):
        if words in self.complaints:
            return
        self.complaints.append(words)
        if len(self.complaints) <= MOST_SHOWN:
            print(f"chaos: {words}", flush=True)

    def add_version(self, version):
        self.versions[version.number] = version
        self.latest = version.number

    def note_leaving(self):
        """SIGTERM comes now; these are under way, and more may follow."""
        self.late = {note.number for note in self.notes if note.state in (BUSY, SENT)}
        self.last_early = self.world.number

    def may_be_cut_short(self, note):
        """drain.timeout was over, and the client had not read its answer by then."""
        return self.is_cut_short and note.state in (CUT, UNANSWERED) and (note.number in self.late or note.number > self.last_early)

    # ---- each answer, when it comes

    def explain(self, note, response, before):
        """Which version of the configuration it was answered by; complains if there is none that would."""
        number = response.get("x-version")
        if number is None:
            self.explain_own(note, response)
            return before
        version = self.versions.get(int(number))
        if version is None or version.number < note.floor:
            self.complain(f"version {number} answered after all workers had had {note.floor}: {note}")
        elif version.number < before:
            self.complain(f"version {number} answered after {before} on one connection: {note}")
        elif note.prefix not in version.groups:
            self.complain(f"version {number} has no such route: {note}")
        elif response.get("x-id"):
            self.explain_replica(note, response, version)
        else:
            self.explain_fallback(note, response, version)
        return max(before, int(number))

    def explain_own(self, note, response):
        """An error in the gateway's own words."""
        if response.status not in OWN_STATUSES or not response.get("proxy-status") or response.get("x-id"):
            self.complain(f"an answer that nobody gave: {note}, {response.lines}")
        elif response.status == 400 and note.is_honest:
            self.complain(f"an honest request was refused: {note}, {response.body}")
        elif response.status == 404 and all(note.prefix in self.versions[number].groups
                                            for number in range(max(1, note.floor), self.latest + 1)):
            self.complain(f"every version has a route for it: {note}")
        elif response.status == 502 and note.do.split()[0] not in ("garbage", "extra") and not self.world.has_extra:
            self.complain(f"its upstream sent no nonsense: {note}, {response.body}")

    def explain_replica(self, note, response, version):
        do = note.do.split()
        expected = {"status": int(do[1]) if do[0] == "status" else 0, "early": 413, "switch": 101}.get(do[0], 200)
        if response.get("x-id") != str(note.number):
            self.complain(f"the answer to {response.get('x-id')} was given to {note}")
        elif response.get("x-saw") != str(version.number):
            self.complain(f"version {response.get('x-saw')} sent and {version.number} answered: {note}")
        elif response.get("x-replica") not in ADDRESSES[version.groups[note.prefix]]:
            self.complain(f"version {version.number} does not send it to {response.get('x-replica')}: {note}")
        elif response.status not in (expected, 500):
            self.complain(f"no replica would answer that: {note}")
        elif response.body != body_of(note.number, len(response.body)):
            self.complain(f"the body is not its own: {note}, {response.body[:80]!r}")

    def explain_fallback(self, note, response, version):
        status, text = version.fallbacks[note.prefix]
        whole = b"" if note.method == "HEAD" else text
        if response.status != status or not response.get("proxy-status") or \
                (response.body != whole if note.state == ANSWERED else not whole.startswith(response.body)):
            self.complain(f"not the fallback of version {version.number}: {note}, {response.lines} {response.body[:80]!r}")

    # ---- sums, when all is quiet

    def is_quiet(self, metrics):
        return all(value == 0 for gauge in GAUGES for labels, value in metrics.find(gauge))

    def check_sums(self, metrics, lines):
        received, lost = metrics.sum("gateway_requests_received_total"), metrics.sum("gateway_log_lines_lost_total")
        outcomes = {}
        for labels, value in metrics.find("gateway_requests_total"):
            outcomes[labels["outcome"]] = outcomes.get(labels["outcome"], 0) + value
        if received != sum(outcomes.values()):
            self.complain(f"{received:.0f} requests were received, but {sum(outcomes.values()):.0f} had an outcome: {outcomes}")
        if received != len(lines) + lost:
            self.complain(f"{received:.0f} requests were received, but {len(lines)} have a line and {lost:.0f} lines were lost")
        for outcome, count in outcomes.items():
            logged = sum(line["outcome"] == outcome for line in lines)
            if lost == 0 and logged != count:
                self.complain(f"outcome {outcome}: {count:.0f} counted, {logged} logged")
        return received, outcomes

    # ---- each request, once the log is whole

    def lines(self):
        """All of the access log, over its rotations."""
        found = []
        for name in glob.glob(os.path.join(self.world.folder, "access-*.log*")):
            with open(name) as file:
                for line in file:
                    try:
                        found.append(json.loads(line))
                    except ValueError:
                        self.complain(f"a broken line in the access log: {line!r}")
        return found

    def check_requests(self, lines, is_whole):
        """`is_whole`: no line was lost."""
        by_number = {}
        for line in lines:
            match = re.search(r"/(\d+)$", line["path"] or "")
            if match:
                by_number.setdefault(int(match.group(1)), []).append(line)
        for note in self.notes:
            own = by_number.get(note.number, [])
            if len(own) > 1:
                self.complain(f"{len(own)} lines for {note}")
            elif own and note.is_honest:
                self.check_line(note, own[0])
            elif is_whole and note.state in (ANSWERED, CUT) and note.is_honest:
                self.complain(f"no line for {note}")
            if note.method in ("POST", "PATCH") and self.world.counts[note.number] > 1:
                self.complain(f"sent to replicas {self.world.counts[note.number]} times: {note}")

    def check_line(self, note, line):
        outcome = line["outcome"]
        if self.may_be_cut_short(note):
            return
        if note.state == ANSWERED and line["status"] != note.status:
            self.complain(f"the log says {line['status']} ({outcome}): {note}")
        elif note.replica and line["endpoint"] != f"{note.replica}:{self.world.port}":
            self.complain(f"{note.replica} answered, the log says {line['endpoint']}: {note}")
        elif note.state == CUT and outcome not in BROKEN_OFF | BY_GATEWAY:
            self.complain(f"the answer broke off, the log says {outcome}: {note}")
        elif note.state == CUT and outcome == "response_cut" and note.do.split()[0] not in ("cut", "hang", "early"):
            self.complain(f"the replica sent all of it, the log says {outcome}: {note}")
        elif note.state == UNANSWERED and outcome not in BROKEN_OFF | BY_GATEWAY:
            self.complain(f"there was no answer, the log says {outcome} with {line['status']}: {note}")

    # ---- its last words

    def check_end(self, status, said):
        report = REPORTS.search(said)
        if report:
            self.complain("a sanitizer's report:\n" + said[report.start():][:6000])
        if status != 0:
            self.complain(f"the gateway ended with status {status}:\n{said[-2000:]}")
        for line in said.splitlines():
            if "the gateway keeps the old configuration" in line and not self.world.was_short:
                self.complain(f"a valid configuration was refused: {line}")
