"""The text of a result: targets, tables, where a peer wins. It comes from the result's JSON alone; nothing is typed in."""
import json
import os
import re
import textwrap

import chart
from proxies import HERE, ROOT

RESULTS = os.path.join(HERE, "results")
README = os.path.join(ROOT, "README.md")
BEGIN, END = "<!-- from bench/results by bench/run --readme -->", "<!-- end of it -->"
# what, shape, contender, figure, at most, unit
TARGETS = [
    ("145 B JSON, 64 connections: CPU", "small-64", "gateway", "x haproxy", 0.70),
    ("145 B JSON, 64 connections: CPU", "small-64", "gateway", "x nginx", 0.70),
    ("145 B JSON, 64 connections: CPU", "small-64", "gateway", "x relay", 1.10),
    ("ten request fields: CPU", "fields", "gateway", "x haproxy", 0.72),
    ("512 connections: CPU", "small-512", "gateway", "x haproxy", 0.70),
    ("16 KiB response: CPU", "16k", "gateway", "x haproxy", 0.85),
    ("16 KiB response: CPU", "16k", "gateway", "x relay", 1.05),
    ("1 MiB response: CPU", "1m", "gateway", "x relay", 0.60),
    ("1 MiB response: CPU", "1m", "gateway", "x haproxy", 1.00),
    ("connection per request: CPU", "close", "gateway", "x haproxy", 0.70),
    ("p99, 64 connections that ask without a pause", "small-64", "gateway", "p99 x haproxy", 0.80),
    ("p99, 64 connections, fixed rate", "rate-64", "gateway", "p99 x haproxy", 0.80),
    ("fallback from an open breaker: CPU", "fallback", "gateway fallback", "x gateway", 0.50),
    ("two workers: CPU", "workers-2", "gateway two-workers", "x gateway", 1.05),
    ("resident memory, 512 clients: MiB", "small-512", "gateway", "resident_mib", 6),
    ("system calls per request", "small-64", "gateway", "calls", 4.7),
    ("user instructions per request", "small-64", "gateway", "instructions", 6000),
]
READY_MS = 20
# Where every proxy moves the bytes as the relay does, with the same calls.
FLOOR_SHAPES = ("small-64", "fields", "small-512", "16k")
FLOOR = ("The relay's own multiple stands beside it: a proxy would reach it if it parsed, decided, counted and logged in no time at all. Where the relay misses a target, "
         "the kernel's part alone is above it: the same packets, sent and received with the same calls.")
PEERS = ("haproxy", "nginx", "h2o")
SPRING = os.path.join(HERE, "spring", "result.json")
LIMITS = ("Not measured: TLS, which the gateway does not speak, networks that lose packets, and machines with more CPUs. Load, "
          "upstream and proxies share one machine and its loopback; while bench/run measures requests/s and latencies, each proxy has one CPU and the load has another. The kernel takes most of a "
          "request's CPU time. Its share differs between kernels and processors, so the ratios hold for this machine only. The peers are Debian's packages "
          "with the configurations in bench/peers/; they can do other things that the gateway can't.")


def value_of(result, shape, contender, figure):
    return result["shapes"].get(shape, {}).get("rows", {}).get(contender, {}).get(figure)


def bounds(value):
    return f"{value[0]:.2f} ({value[1]:.2f}-{value[2]:.2f})" if isinstance(value, list) else f"{value:,.2f}".removesuffix(".00")


def verdict(value, limit):
    middle, low, high = value if isinstance(value, list) else (value, value, value)
    return ("met" if middle <= limit else "**not met**") + (", within the noise" if low <= limit < high else "")


def targets(result):
    """[(what, at most, measured, the floor's, verdict)]; what was not measured is left out."""
    rows = []
    for what, shape, contender, figure, limit in TARGETS:
        value = value_of(result, shape, contender, figure)
        if value is not None:
            multiple = re.sub(r"^(p99 )?(?=x )", "", figure) if "x " in figure else ""
            floor = value_of(result, shape, "relay", figure) if shape in FLOOR_SHAPES and figure in ("x haproxy", "x nginx") else None
            rows.append((what, f"{limit:,g} {multiple}".strip() if not multiple else f"{limit:.2f} {multiple}", bounds(value),
                         bounds(floor) if floor else "", verdict(value, limit)))
    rows.append(("start to an open port: ms", str(READY_MS), f"{result['ready_ms']:.1f}", "", verdict(result["ready_ms"], READY_MS)))
    return rows


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)]


def shape_table(shape):
    bases = [base for base in shape["bases"] if base != "h2o"]
    head = ["", "CPU us", *(f"x {base}" for base in bases), "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "MiB", "system calls", "user instructions"]
    rows = []
    for name, row in shape["rows"].items():
        calls, instructions = row.get("calls"), row.get("instructions")
        rows.append([name, f"{row['cpu_us']:.2f}", *(bounds(row[f"x {base}"]) if f"x {base}" in row else "" for base in bases),
                     f"{row['rate']:,.0f}", f"{row['p50']:.2f}", f"{row['p99']:.2f}", f"{row['p999']:.2f}", f"{row['resident_mib']:.1f}",
                     f"{calls:.1f}" if calls else "", f"{instructions:,}" if instructions else ""])
    return table(head, rows)


def peers_that_win(result):
    lines = []
    for shape in result["shapes"].values():
        for peer in PEERS:
            for figure, what in (("", "needs less CPU"), ("p99 ", "has the lower p99")):
                multiple = shape["rows"]["gateway"].get(f"{figure}x {peer}")
                if multiple and multiple[0] > 1:
                    noise = ", within the noise" if multiple[1] <= 1 else ""
                    lines.append(f"- {shape['title']}: {peer} {what}; the gateway's is {bounds(multiple)} times its{noise}.")
    return lines or ["In none of the shapes does a peer need less CPU or have a lower p99."]


def curve_sections(result):
    lines = []
    for curve in result["curves"].values():
        rows = [(f"{p['size']:,}", f"{p['cpu_us']:.2f}", bounds(p["x"]), f"{p['instructions']:,}", f"{p['resident_mib']:.1f}") for p in curve["points"]]
        lines += [f"### {curve['title']}", "", *table([curve["title"], "CPU us", "x the smallest", "user instructions", "resident MiB"], rows), "", curve["why"], ""]
    return lines


def markdown(result, name):
    day, machine = result["day"], result["machine"]
    lines = [f"# {day}, {machine['name']}", "", f"{machine['model']}, {machine['cpus']} CPUs, Linux {machine['kernel']}. " + "; ".join(result["versions"]) + ".", "",
             f"Per shape {result['rounds']} rounds; in each a burst of {result['seconds']} s for every proxy, in random order; proxies on one CPU, load and upstream "
             "on another, as batch jobs that don't interrupt each other. CPU time is the scheduler's for the proxy's threads; ratios are medians of the ratios within rounds, in brackets where 95 % of "
             "bootstrapped medians lie; those of p99 are ratios of the medians over all rounds. System calls are counted by the kernel's trace point in a burst of their own, user instructions by callgrind. The gateway "
             "runs with access log, metrics, breaker, balancing and timeouts on; the peers are as in bench/peers/, without a log. "
             f"`make bench` repeats it{' (this was a short run, --quick)' if result['quick'] else ''}.", "",
             *([f"{len(result['failures'])} bursts were repeated because not every request was answered:", "",
                *(f"- {failure}" for failure in result["failures"]), ""] if result["failures"] else []),
             "## Targets", "", *table(["", "at most", "measured", "the relay", ""], targets(result)), "", FLOOR, "",
             "## Where a peer wins", "", *peers_that_win(result), "", "## Shapes", "", f"![CPU per request]({name}.svg)", ""]
    for shape in result["shapes"].values():
        lines += [f"### {shape['title']}", "", *([shape["note"], ""] if shape["note"] else []), *shape_table(shape), ""]
    if result["curves"]:
        lines += ["## Cost that does not grow", "", f"![Cost against size]({name}-curves.svg)", "", *curve_sections(result)]
    lines += [LIMITS, ""]
    return wrapped("\n".join(lines))


def wrapped(text):
    """Paragraphs in lines of a length that is easy to compare; tables and links that stand alone stay as they are."""
    return "\n".join(line if line.startswith(("|", "!", "#", "<")) else textwrap.fill(line, 128, break_long_words=False, break_on_hyphens=False,
                                                                                     subsequent_indent="  " if line.startswith("- ") else "")
                     for line in text.split("\n"))


def write_file(path, text):
    with open(path, "w") as file:
        file.write(text)


def write(result):
    """The result's JSON, and what is made of it."""
    os.makedirs(RESULTS, exist_ok=True)
    name = f"{result['day']}-{result['machine']['name']}"
    base = os.path.join(RESULTS, name)
    write_file(base + ".json", json.dumps(result, indent=1) + "\n")
    write_file(base + ".md", markdown(result, name))
    write_file(base + ".svg", chart.bars(result["shapes"]))
    if result["curves"]:
        write_file(base + "-curves.svg", chart.curves(result["curves"]))
    return base + ".md"


def newest():
    """The newest result, and its name; (None, None) where there is none."""
    names = sorted(name for name in os.listdir(RESULTS) if name.endswith(".json")) if os.path.isdir(RESULTS) else []
    if not names:
        return None, None
    with open(os.path.join(RESULTS, names[-1])) as file:
        return json.load(file), names[-1].removesuffix(".json")


def readme_part(result, name):
    rows = []
    for shape in result["shapes"].values():
        if "haproxy" in shape["rows"]:
            ours = shape["rows"]["gateway"]
            multiples = [bounds(ours[f"x {base}"]).split(" ")[0] if f"x {base}" in ours else "" for base in ("relay", "haproxy", "nginx")]
            rows.append((shape["title"], f"{ours['cpu_us']:.1f}", *multiples,
                         f"{ours['p99']:.2f}", f"{shape['rows']['haproxy']['p99']:.2f}", f"{ours['resident_mib']:.1f}",
                         f"{shape['rows']['haproxy']['resident_mib']:.1f}"))
    small, machine = result["shapes"]["small-64"]["rows"]["gateway"], result["machine"]
    met = sum("not met" not in row[-1] for row in targets(result))
    return wrapped("\n".join([
        BEGIN, "", f"On {machine['model']} with {machine['cpus']} CPUs, Linux {machine['kernel']}; {'; '.join(result['versions'])}. The gateway has everything on: access log, "
        "metrics, breaker, balancing, timeouts. The relay is a program that copies bytes and knows no HTTP. Each multiple is a median over short bursts, which alternate between all programs.", "",
        *table(["", "CPU us per request", "x relay", "x haproxy", "x nginx", "p99 ms", "haproxy's p99", "MiB", "haproxy's MiB"], rows), "",
        f"![CPU per request, haproxy = 1](bench/results/{name}.svg)", "",
        f"A small request costs {small['calls'] or float('nan'):.1f} system calls and {small['instructions']:,} instructions in user space. The gateway meets {met} of the {len(targets(result))} targets "
        f"of this project; [all of them, all shapes, the curves against 10,000 routes or 15,000 idle clients, and where a peer wins](bench/results/{name}.md). "
        "`make bench` repeats it in fifteen minutes, `bench/run --quick` in one.", "", LIMITS, "", *spring_part(), END]))


def spring_lines(result):
    """The table of bench/spring/run."""
    names = {"gateway": "gateway", "haproxy": "haproxy",
             **{name: f"Spring Boot {boot}, Spring Cloud {cloud}" for name, (boot, cloud) in result["releases"].items()}}
    rows = []
    for name, row in result["rows"].items():
        ratio = bounds(row["x gateway"]) if "x gateway" in row else "1"
        start = f"{row['ready_ms'] / 1000:.1f} s" if row["ready_ms"] >= 1000 else f"{row['ready_ms']:.0f} ms"
        rows.append((names[name], f"{row['cpu_us']:.1f}", ratio, f"{row['rate']:,.0f}", f"{row['p50']:.2f}", f"{row['p99']:.2f}",
                     f"{row['resident_mib']:.0f}", f"{row['calls']:.1f}" if row["calls"] else "", start))
    return table(["145 B JSON, 64 connections", "CPU us per request", "x gateway", "requests/s", "p50 ms", "p99 ms", "MiB", "system calls",
                  "start to open port"], rows)


def write_spring(result):
    """The result's JSON, and what is made of it."""
    write_file(SPRING, json.dumps(result, indent=1) + "\n")
    write_file(SPRING.replace("result.json", "RESULTS.md"),
               wrapped("\n".join([f"# {result['day']}, {result['machine']['name']}", "", *spring_part()])))


def spring_part():
    """The findings of bench/spring/run; nothing where it was never run."""
    if not os.path.exists(SPRING):
        return []
    with open(SPRING) as file:
        result = json.load(file)
    machine = result["machine"]
    return [f"The gateway and the applications that it replaces, in one run ({result['day']}, {machine['model']} with {machine['cpus']} CPUs, Linux {machine['kernel']}; "
            f"{'; '.join(result['versions'])}): Spring Cloud Gateway with a circuit breaker and a fallback, the current release with Resilience4j and the last one with Hystrix, "
            f"after {result['warm']:.0f} s of load. Their bulkheads and time limiters are off and they write no access log; the applications are in "
            f"bench/spring/. Medians of {result['rounds']} bursts of {result['seconds']:g} s, in brackets where 95 % of bootstrapped medians lie; "
            "`make bench-spring` repeats it in eight minutes.", "", *spring_lines(result), ""]


def readme_with(result, name):
    with open(README) as file:
        text = file.read()
    before, rest = text.split(BEGIN, 1)
    return text, before + readme_part(result, name) + rest.split(END, 1)[1]


def update_readme():
    _, new = readme_with(*newest())
    write_file(README, new)


def is_readme_true():
    result, name = newest()
    return result is None or (lambda old, new: old == new)(*readme_with(result, name))
