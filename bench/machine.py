"""The machine and the programs of a measurement."""
import os
import platform
import re
import subprocess

import namespace


def slug(text):
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    model = re.sub(r"\s*(\((R|TM)\)|\b(CPU|Processor)\b|@.*$|\d+-Core)", "", model).strip()
    return {"name": f"{slug(model)}-{os.cpu_count()}-cpus", "model": model, "cpus": os.cpu_count(),
            "kernel": f"{platform.release()}, {namespace.congestion_control()}"}


def versions(*commands):
    lines = []
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        first = (done.stdout + done.stderr).splitlines()[0]
        lines.append(f"{os.path.basename(command[0])} {re.search(r'[0-9]+[.][0-9.]+', first).group()}")
    return lines
