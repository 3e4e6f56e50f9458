"""Random configurations that are valid, and what each of them lets the gateway do. Every one has a number of its own, which it
adds to requests (X-Version, so the replica sees it) and to answers."""
import json
import os

GROUPS = ("a", "b", "c")
ADDRESSES = {group: [f"127.31.{number}.{last}" for last in range(1, 6)] for number, group in enumerate(GROUPS, 1)}
PREFIXES = ("/a", "/b", "/c", "/x")
STANDING = ("a", "c")  # in every configuration, and with a window of one shape: their breakers live as long as the gateway
ANCHORS = {"c": 3}     # so many addresses are always there, under one name: its breaker does not begin anew for new ones


class Version:
    """The answers that one configuration allows."""

    def __init__(self, number):
        self.number, self.groups, self.fallbacks = number, {}, {}

    def add(self, prefix, group, status):
        self.groups[prefix] = group
        self.fallbacks[prefix] = (status, self.fallback(prefix).encode())

    def fallback(self, prefix):
        return f"fallback of {prefix} in version {self.number}\n"


def milliseconds(random, least, most):
    return f"{random.randint(least, most)}ms"


def breaker_of(random, group):
    if group not in STANDING and random.random() < 0.1:
        return "off"
    window = {"a": "2s", "c": "8 calls"}.get(group) or random.choice(["1s", "3s", "20 calls", "50 calls"])
    return {"window": window, "minimum_calls": random.randint(4, 10), "failure_rate": f"{20 if group == 'c' else random.randint(30, 80)}%",
            "open_for": milliseconds(random, 20, 100), "open_for_max": "200ms",
            # A verdict takes all probes and has all the time: one permit that is kept, and the breaker never closes again.
            "half_open_calls": 3 if group in STANDING else random.randint(2, 5), "half_open_timeout": "30m", "slow_call": random.choice(["off", "off", "200ms"]), "slow_rate": "80%",
            "mode": random.choice(["enforce"] * 9 + ["observe"]) if group not in STANDING else "enforce"}


def upstream_of(random, group, port):
    host = random.choice([f"tasks.{group}"] * 4 + [group]) if group not in ANCHORS else f"tasks.{group}"
    keys = {
        "url": f"http://{host if group != 'b' or random.random() < 0.8 else ADDRESSES['b'][0]}:{port}",
        "balance": random.choice(["least_request", "round_robin"]),
        # A long one for those whose breaker must close in the end: no permit may be forgotten for its age alone.
        "timeouts": {"connect": milliseconds(random, 100, 1000), "idle": milliseconds(random, 300, 3000),
                     "response": "2m" if group in STANDING else milliseconds(random, 300, 1000), "total": "2m"},
        "breaker": breaker_of(random, group),
        "ejection": random.choice(["off", {"consecutive_failures": random.randint(2, 6), "for": milliseconds(random, 20, 300),
                                           "for_max": "500ms", "max_share": f"{random.randint(0, 100)}%"}]),
        "bulkhead": {"max_in_flight": random.randint(2, 40), "max_waiting": random.randint(0, 30),
                     "max_wait": milliseconds(random, 20, 500)},
        "retry": {"attempts": random.randint(0, 3), "budget": f"{random.randint(0, 100)}%"},
        "pool": {"max_idle": random.randint(0, 20), "idle_timeout": milliseconds(random, 10, 3000),
                 "max_age": milliseconds(random, 50, 5000)},
        "slow_start": random.choice(["off", "500ms"]),
    }
    if random.random() < 0.3:
        keys["health_check"] = {"path": "/health", "interval": milliseconds(random, 100, 1000), "timeout": "500ms",
                                "unhealthy": random.randint(1, 3), "healthy": random.randint(1, 2)}
    return keys


def route_of(random, version, prefix, group):
    status = random.choice([503, 503, 200, 429])
    version.add(prefix, group, status)
    number = str(version.number)
    route = {"path": prefix, "upstream": group, "request_headers": {"set": {"X-Version": number}},
             "response_headers": {"set": {"X-Version": number}},
             "fallback": {"status": status, "body": version.fallback(prefix),
                          "on_statuses": random.choice([[], [], [500]])}}
    if random.random() < 0.3:
        route["rewrite"] = {"strip_prefix": prefix, "add_prefix": "/deep/" + "d" * random.randint(1, 50)}
    return route


def draw(random, number, world):
    """(tree, Version)"""
    version = Version(number)
    groups = [group for group in GROUPS if group in STANDING or random.random() < 0.6]
    routes = [route_of(random, version, f"/{group}", group) for group in groups]
    if random.random() < 0.8:
        routes.append(route_of(random, version, "/x", random.choice(groups)))
    random.shuffle(routes)
    tree = dict(world.fixed(), log_level=random.choice(["info", "info", "debug"]),
                access_log=os.path.join(world.folder, random.choice(["access-0.log", "access-1.log"])),
                dns={"servers": [f"127.0.0.1:{world.dns_port}"], "refresh": milliseconds(random, 100, 500),
                     "timeout": milliseconds(random, 50, 300), "tries": random.randint(1, 3),
                     "verify_service": random.choice(["on", "off"])},
                limits={"request_head": f"{random.randint(8, 64)}KiB", "request_body": random.choice(["none", "1MiB"]),
                        "request_fields": random.randint(50, 300),
                        "head_timeout": milliseconds(random, 1500, 5000), "body_timeout": milliseconds(random, 1500, 5000),
                        "idle_timeout": milliseconds(random, 500, 60000), "write_timeout": milliseconds(random, 1500, 5000)},
                upstreams={group: upstream_of(random, group, world.port) for group in groups}, routes=routes)
    return tree, version


def steady(random, number, world):
    """Any settings, but the upstreams and names are those of calm(): no reload waits for DNS."""
    tree, version = calm(random, number, world)
    tree["upstreams"] = {group: dict(upstream_of(random, group, world.port), url=f"http://tasks.{group}:{world.port}")
                         for group in GROUPS}
    return tree, version


def calm(random, number, world):
    """All upstreams and routes, and nothing that would refuse an honest request."""
    version = Version(number)
    routes = [route_of(random, version, f"/{group}", group) for group in GROUPS] + [route_of(random, version, "/x", "a")]
    upstreams = {group: dict(upstream_of(random, group, world.port), url=f"http://tasks.{group}:{world.port}", ejection="off",
                             bulkhead={"max_in_flight": 1000, "max_waiting": 100, "max_wait": "5s"}, retry={"attempts": 2})
                 for group in GROUPS}
    for keys in upstreams.values():
        keys.pop("health_check", None)
        keys["timeouts"] = {"connect": "5s", "response": "2m", "total": "2m"}
        if keys["breaker"] != "off":
            keys["breaker"].update(slow_call="off", mode="enforce")
    tree = dict(world.fixed(), access_log=os.path.join(world.folder, "access-0.log"),
                dns={"servers": [f"127.0.0.1:{world.dns_port}"], "refresh": "100ms", "timeout": "1s"},
                upstreams=upstreams, routes=routes)
    return tree, version


def write(tree, file):
    with open(file + ".new", "w") as to:
        json.dump(tree, to, indent=1)
    os.rename(file + ".new", file)
