"""What swarm must not be able to do to a request: a pytest plugin that makes a table of what was promised and what was seen.

    @pytest.mark.promise("one replica is killed, ten times in a row", "0 failed")
    def test_killed(figure):
        ...
        figure("0 of 27,301 failed, p99 4.1 ms", ["haproxy: 7 of 27,301 failed"])

The table is printed at the end; a full run writes it into RESULTS.md, kept or not: nothing in there is typed by hand. With
ROWS=FILE the rows go into that file too and those already in it come into the table: a full run in parts.
"""
import fcntl
import json
import os
import platform
import subprocess
import time

import pytest

from swarm import IS_FULL, ROOT

rows = []


def pytest_configure(config):
    config.addinivalue_line("markers", "promise(event, promise): what swarm does, and what holds nevertheless")


@pytest.fixture
def figure(request):
    """figure("what was measured", [what the peers' was]): also several times."""
    def note(text, peers=()):
        request.node.user_properties.append(("figure", text))
        request.node.user_properties.extend(("peer", peer) for peer in peers)
    return note


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    mark = item.get_closest_marker("promise")
    if mark is None or report.skipped or (report.when != "call" and report.passed) or report.when == "teardown":
        return
    variant = f" ({item.callspec.id})" if hasattr(item, "callspec") else ""
    seen = [text for name, text in item.user_properties if name == "figure"]
    if report.failed:
        seen.append(call.excinfo.exconly().split("\n")[0][:300])
    peers = [text for name, text in item.user_properties if name == "peer"]
    rows.append((item.location[1], mark.args[0] + variant, mark.args[1], "; ".join(seen).replace("|", "\\|"), "yes" if report.passed else "**no**",
                 "; ".join(peers), f"{report.duration:.0f} s"))


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def versions():
    """The peers in the image come from the same archive as those of this machine, if it has any."""
    packages = subprocess.run(["dpkg-query", "--show", "--showformat=${Package} ${Version}; ", "docker.io", "haproxy", "nginx-light"],
                              capture_output=True, text=True).stdout
    return packages.rstrip("; ")


def table():
    lines = ["| event | promise | what was seen | kept | peers, at the same time | took |", "|---|---|---|---|---|---|"]
    return lines + [f"| {' | '.join(row[1:])} |" for row in sorted(rows)]


def gather(path):
    """The rows of all parts."""
    with open(path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        earlier = [tuple(json.loads(line)) for line in file]
        file.writelines(json.dumps(row) + "\n" for row in rows)
    rows.extend(earlier)


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("")
    for line in table():
        terminalreporter.write_line(line)
    if not IS_FULL or "RESULTS" not in os.environ:
        return
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    if "ROWS" in os.environ:
        gather(os.environ["ROWS"])
    kept = sum(row[4] == "yes" for row in rows)
    with open(os.environ["RESULTS"], "w") as file:
        file.write(
            "# What was seen when the swarm moved\n\n"
            "Written by `make chaos` (`tests/swarm/run --full`); nothing here is typed by hand. A real swarm of three nodes in\n"
            "network namespaces of one machine, `deploy/hospital-stack.yml` with `deploy/gateway.yml`, which is the default configuration,\n"
            "three replicas. Loads have a fixed rate without coordinated omission over all nodes that are up; clients never repeat a\n"
            "request; whatever is not answered with 200 has failed. The peers stand before the same replicas at the same time, at a third\n"
            "of the rate; their configurations are in `peers/`.\n\n"
            f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {machine()}\n"
            f"- gateway {commit}; {versions()}\n"
            f"- {kept} of {len(rows)} promises kept\n\n" + "\n".join(table()) + "\n")
