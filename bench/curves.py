"""Cost that must not grow: what a request costs the gateway against the number of routes, upstreams (each with its breaker),
endpoints and idle clients. CPU time in rounds over all sizes, user instructions counted as in counted.py."""
import os
import resource
import socket

import counted
import measure
from loads import Load
from proxies import ROOT

UPSTREAM_LINE = '  u{0}: {{ url: "http://127.0.0.1:${{UPSTREAM_PORT}}" }}\n'
ROUTE_LINE = "  - {{ path: /{0}{1}, upstream: {2} }}\n"
# More rounds where it takes some until every endpoint has connections.
CURVES = {
    "routes": ("routes", (10, 100, 1000, 10000), {}),
    "upstreams": ("upstreams, each with its breaker", (10, 100, 1000), {"warm": 40}),
    "endpoints": ("endpoints of one upstream", (1, 10, 100, 1000), {"warm": 200}),
    "idle": ("idle client connections", (0, 500, 2500, 15000), {}),
}
MOST_CONNECTIONS = 20000  # the gateway keeps a quarter of its descriptors for upstreams unless told
STANDING = 2  # routes and upstreams are in gateway.yml already
SPARE_DESCRIPTORS = 2000


def paths_of(curve, size):
    return tuple(f"/{curve[0]}{i}/145" for i in range(size - STANDING)) if curve in ("routes", "upstreams") else ("/145",)


def endpoint_records(count):
    return " ".join(f"127.1.{i // 250}.{i % 250 + 1}" for i in range(count))


class Names:
    """A DNS server that knows a name for each number of endpoints."""

    def __init__(self, stage, sizes):
        records = os.path.join(stage.folder, "records")
        with open(records, "w") as file:
            for size in sizes:
                file.write(f"tasks.back{size} {endpoint_records(size)}\n")
        self.port = stage.start("dns", [f"{ROOT}/build/hospital/dns", "--listen", "127.0.0.1:${PORT}", "--records", records], "load").port

    def values(self, size):
        return {"ENDPOINT": f"tasks.back{size}", "DNS": f"127.0.0.1:{self.port}"}


def values_of(curve, size, names):
    """The values for the configuration of a gateway of that size."""
    if curve == "routes":
        return {"MORE_ROUTES": "".join(ROUTE_LINE.format("r", i, "back") for i in range(size - STANDING))}
    if curve == "upstreams":
        return {"MORE_UPSTREAMS": "".join(UPSTREAM_LINE.format(i) for i in range(size - STANDING)),
                "MORE_ROUTES": "".join(ROUTE_LINE.format("u", i, f"u{i}") for i in range(size - STANDING))}
    if curve == "endpoints":
        return names.values(size)
    return {"CONNECTIONS": MOST_CONNECTIONS}


def hold_idle(port, count):
    """Clients that were answered once and stay. The fallback is what they are answered, which needs no upstream."""
    request = b"GET /dead HTTP/1.1\r\nHost: idle\r\n\r\n"
    held = []
    for i in range(count):
        client = socket.create_connection(("127.0.0.1", port), timeout=60)
        client.sendall(request)
        held.append(client)
        assert client.recv(4096).startswith(b"HTTP/1.1 50"), "the fallback"
    return held


def allowed_sizes(curve, sizes):
    """Idle clients need a descriptor each, here for all sizes together."""
    if curve != "idle":
        return sizes
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed = []
    for size in sizes:
        if sum(allowed) + size + SPARE_DESCRIPTORS <= hard:
            allowed.append(size)
    return tuple(allowed)


def instructions(stage, curve, size, names, how):
    hold = (lambda port: hold_idle(port, size)) if curve == "idle" else None
    return round(counted.cost(counted.Callgrind, "gateway", stage.folder, paths=paths_of(curve, size), prepare=hold,
                              **values_of(curve, size, names), **how))


def measure_curve(stage, curve, rounds, seconds):
    """[{size, cpu_us, x: [median, low, high] of the smallest, instructions}]."""
    title, sizes, how = CURVES[curve]
    sizes = allowed_sizes(curve, sizes)
    names = Names(stage, sizes) if curve == "endpoints" else None
    contenders, held = {}, []
    for size in sizes:
        gateway = stage.start_proxy("gateway", **values_of(curve, size, names))
        contenders[size] = (gateway, Load("load", paths=paths_of(curve, size)))
        if curve == "idle":
            held += hold_idle(gateway.port, size)
    taken = measure.rounds_of(f"curve of {title}", contenders, rounds, seconds)
    for client in held:
        client.close()
    rows = measure.summary(taken, (sizes[0],), contenders)
    for gateway, _ in contenders.values():
        stage.stop(gateway)
    return [{"size": size, "cpu_us": row["cpu_us"], "resident_mib": row["resident_mib"], "x": row.get(f"x {sizes[0]}", [1, 1, 1]),
             "instructions": instructions(stage, curve, size, names, how)} for size, row in rows.items()]
