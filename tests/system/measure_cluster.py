#!/usr/bin/env python3
"""What it costs gateways to know each other: N processes on loopback that ask each other every second, for several N.

    python3 tests/system/measure_cluster.py [--seconds 20] [--gateways 1,2,5,10,20,50] [--watched] [REPORT.md]

CPU is that of each process over the seconds, user and system. Memory is the pages that each has written to, less those of a gateway that
knows no others. With --watched somebody looks at the page of
one of them all the time."""
import argparse
import datetime
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Dns, Upstream, until  # noqa: E402
from test_cluster import Cluster  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def own_kib(process):
    """KiB of pages that it has written to: those it only reads are its own or shared, as other processes happen to run or not."""
    with open(f"/proc/{process.pid}/smaps_rollup") as maps:
        return sum(int(line.split()[1]) for line in maps if line.startswith("Private_Dirty:"))


def measure(count, seconds, is_watched, peers="on"):
    with tempfile.TemporaryDirectory() as folder:
        dns, behind = Dns(folder), Upstream()
        cluster = Cluster(pathlib.Path(folder), dns, behind)
        try:
            cluster.list(cluster.addresses[:count])
            for index in range(count):
                cluster.start(index, workers=1, dns={"servers": [f"127.0.0.1:{dns.port}"]},
                              **({"cluster": None} if peers == "off" else {}))
            if peers == "on":
                until(lambda: len(cluster.members[0].cluster("?seconds=1")["gateways"]) == count, "all know all", seconds=60)
                time.sleep(12)  # nobody watches any more
            before = [cpu_seconds(member.process) for member in cluster.members]
            began, answers = time.monotonic(), []
            while time.monotonic() < began + seconds:
                if is_watched:
                    asked = time.monotonic()
                    text = cluster.members[0].ask_admin("/cluster?seconds=2")[2]
                    answers.append((time.monotonic() - asked, len(text)))
                time.sleep(1)
            took = time.monotonic() - began
            shares = [100 * (cpu_seconds(member.process) - start) / took for member, start in zip(cluster.members, before)]
            silent = sum(bool(one.get("error")) for one in cluster.members[-1].cluster("?seconds=1")["gateways"])
            return {"gateways": count, "cpu": statistics.median(shares), "cpu_most": max(shares),
                    "memory": statistics.median_high(own_kib(member.process) for member in cluster.members), "silent": silent,
                    "answer_ms": 1000 * statistics.median(one[0] for one in answers) if answers else None,
                    "answer_bytes": answers[-1][1] if answers else None}
        finally:
            cluster.stop()
            behind.stop()
            dns.stop()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=int, default=20)
    options.add_argument("--gateways", default="1,2,5,10,20,50")
    options.add_argument("--watched", action="store_true")
    options.add_argument("report", nargs="?")
    options = options.parse_args()
    load = os.getloadavg()[0]
    alone = measure(1, options.seconds, False, peers="off")
    head = ["gateways", "CPU of each, median", "most", "memory beyond that of one without peers", "failed polls",
            *(["/cluster"] if options.watched else [])]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head),
             f"| 1, without peers | {alone['cpu']:.2f} % | {alone['cpu_most']:.2f} % | - ({alone['memory']} KiB) | - |" + (" - |" if options.watched else "")]
    print("\n".join(lines), flush=True)
    for count in map(int, options.gateways.split(",")):
        got = measure(count, options.seconds, options.watched)
        lines.append(f"| {count} | {got['cpu']:.2f} % | {got['cpu_most']:.2f} % | {got['memory'] - alone['memory']} KiB | {got['silent']} |"
                     + (f" {got['answer_ms']:.1f} ms, {got['answer_bytes']} B |" if got["answer_ms"] else " - |" if options.watched else ""))
        print(lines[-1], flush=True)
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    title = ["# What it costs gateways to know each other", "",
             f"Written by `tests/system/measure_cluster.py` on {datetime.date.today()}: {model}, {os.cpu_count()} CPUs, Linux {platform.release()}; load of the machine "
             f"before it {load:.1f}. N processes on loopback ask each other every second (more than 32 a little later) for {options.seconds} s."
             + (" Somebody looks at the page of one of them." if options.watched else ""), ""]
    if options.report:
        pathlib.Path(options.report).write_text("\n".join([*title, *lines, ""]))


if __name__ == "__main__":
    main()
