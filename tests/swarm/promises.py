"""What swarm must not be able to do to a request: a pytest plugin that makes a table of what was promised and what was seen.

    @pytest.mark.promise("one replica is killed, ten times in a row", "0 failed")
    def test_killed(figure):
        ...
        figure("0 of 27,301 failed, p99 4.1 ms", ["haproxy: 7 of 27,301 failed"])

The table is printed at the end; a full run writes it into RESULTS.md, kept or not: nothing in there is typed by hand. Rows of
tests that did not run this time stay, and say of which run they are.
"""
import os
import platform
import re
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
    rows.append((mark.args[0] + variant, mark.args[1], "; ".join(seen).replace("|", "\\|"), "yes" if report.passed else "**no**",
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


def this_run():
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {machine()}; gateway {commit}; {versions()}"


def line_of(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def write_results(path):
    before = ""
    if os.path.exists(path):
        with open(path) as file:
            before = file.read()
    runs = re.findall(r"^- run \d+: (.*)$", before, re.M) + [this_run()]
    kept = {line[2:].split(" | ")[0]: line for line in re.findall(r"^\| .* \| \d+ \|$", before, re.M)}
    kept.update((row[0], line_of(*row, len(runs))) for row in rows)
    with open(path, "w") as file:
        file.write(
            "# What was seen when the swarm moved\n\n"
            "Written by `make chaos` (`tests/swarm/run --full`); nothing here is typed by hand. A real swarm of three nodes in\n"
            "network namespaces of one machine, `deploy/hospital-stack.yml` with `deploy/gateway.yml`, which is the default configuration,\n"
            "three replicas. Loads have a fixed rate without coordinated omission over all nodes that are up; clients never repeat a\n"
            "request; whatever is not answered with 200 has failed. The peers stand before the same replicas at the same time, at a third\n"
            "of the rate; their configurations are in `peers/`. A row is of the last run of its test.\n\n")
        file.writelines(f"- run {number}: {run}\n" for number, run in enumerate(runs, 1))
        file.write(f"\n{sum(' | yes | ' in line for line in kept.values())} of {len(kept)} promises are kept.\n\n"
                   "| event | promise | what was seen | kept | peers, at the same time | took | run |\n|---|---|---|---|---|---|---|\n")
        file.writelines(line + "\n" for line in kept.values())


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("")
    for line in ["| event | promise | what was seen | kept | peers, at the same time | took |", "|---|---|---|---|---|---|",
                 *(line_of(*row) for row in rows)]:
        terminalreporter.write_line(line)
    if IS_FULL and "RESULTS" in os.environ:
        write_results(os.environ["RESULTS"])
