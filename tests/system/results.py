"""RESULTS.md of a folder whose tests make promises: what was promised and what was seen, kept or not. Nothing in there is typed by
hand. A test says what it promises with @pytest.mark.promise(title, promise); its folder's conftest.py adds the rows.

A run replaces the rows of the tests that ran. The others stay, and say of which run they are, until no test has their title any
more, which is known whenever all of the folder was collected, however few tests of it then ran."""
import glob
import os
import platform
import re
import subprocess
import time

import pytest

from harness import ROOT

PEERS = ("haproxy", "nginx")


def title(item):
    """With the parameters, but not with the name of the proxy: that is a cell of its own."""
    parameters = item.callspec.params.items() if hasattr(item, "callspec") else ()
    variant = ", ".join(str(value) for name, value in parameters if name != "proxy_name")
    return item.get_closest_marker("promise").args[0] + (f" ({variant})" if variant else "")


def failure(call):
    return call.excinfo.exconly().split("\n")[0][:300]


def who(row):
    return next((name for name in PEERS if name in row), "gateway")


def line_of(row):
    return "| " + " | ".join(row) + " |\n"


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}"


class Results:
    """A plugin of pytest. `packages` are those whose versions matter; `path` is where a full run writes to, if it does."""

    def __init__(self, folder, head, columns, packages, path):
        self.folder, self.head, self.columns, self.packages, self.path = folder, head, columns, packages, path
        self.rows = {}  # of this run, by title and who
        self.titles = None  # of all tests of the folder

    def add(self, *cells):
        row = [cell.replace("|", "\\|") for cell in cells]
        self.rows[row[0], who(row)] = row

    def pytest_configure(self, config):
        config.addinivalue_line("markers", "promise(title, promise): what happens, and what holds nevertheless")

    @pytest.hookimpl(tryfirst=True)  # before -k takes any away
    def pytest_collection_modifyitems(self, config, items):
        files = set(glob.glob(os.path.join(self.folder, "test_*.py")))
        if files <= {str(item.path) for item in items} and not any("::" in argument for argument in config.args):
            self.titles = {title(item) for item in items if item.get_closest_marker("promise")}

    def this_run(self):
        def output(*command):
            return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
        return (f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {machine()}; gateway {output('git', 'describe', '--always', '--dirty')}; "
                + output("dpkg-query", "--show", "--showformat=${Package} ${Version}; ", *self.packages).rstrip("; "))

    def rows_before(self):
        """The rows that stay, each with its run."""
        if not os.path.exists(self.path):
            return
        with open(self.path) as file:
            before = file.read()
        runs = dict(re.findall(r"^- run (\d+): (.*)$", before, re.M))
        for line in re.findall(r"^\| (.* \| \d+) \|$", before, re.M):
            *row, run = line.split(" | ")
            if self.titles is None or row[0] in self.titles:
                yield (row[0], who(row)), (row, runs[run])

    def write(self, skipped):
        run = self.this_run()
        rows = dict(self.rows_before()) | {key: (row, run) for key, row in self.rows.items()}
        runs = sorted({run for _, run in rows.values()})  # they begin with their time
        ours = [row for (_, name), (row, _) in rows.items() if name == "gateway"]
        with open(self.path, "w") as file:
            file.write(self.head + "A row is of the last run of its test.\n\n")
            file.writelines(f"- run {number}: {run}\n" for number, run in enumerate(runs, 1))
            file.write(f"\n{sum('yes' in row for row in ours)} of the gateway's {len(ours)} promises are kept.\n\n"
                       + line_of([*self.columns, "run"]) + "|---" * (len(self.columns) + 1) + "|\n")
            file.writelines(line_of([*row, str(runs.index(run) + 1)]) for row, run in rows.values())
            file.writelines(f"\nNot run: {name}: {reason}\n" for name, reason in skipped)

    def pytest_terminal_summary(self, terminalreporter):
        skipped = [(report.nodeid.split("::")[-1], report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])]
        terminalreporter.write("\n" + line_of(self.columns) + "|---" * len(self.columns) + "|\n")
        terminalreporter.write("".join(line_of(row) for row in self.rows.values()))
        terminalreporter.write("".join(f"not run: {name}: {reason}\n" for name, reason in skipped))
        if self.path:
            self.write(skipped)
