"""What is asked of the proxies, and of whom."""
import dataclasses

from loads import Load

FIELDS = ("Accept: text/html,application/json;q=0.9,*/*;q=0.8", "Accept-Language: de-DE,de;q=0.9,en;q=0.8", "Cache-Control: no-cache",
          "Accept-Encoding: gzip, deflate, br", "Cookie: session=4f1c2a9be07d4e6f8a90c1d2e3f40516; theme=light",
          "Referer: http://hospital.example/wards/7", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
          "X-Requested-With: XMLHttpRequest", "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl")
PEERS = ("relay", "haproxy", "nginx", "h2o", "gateway")
LARGE_ROUTES, LARGE_ENDPOINTS = 1000, 500


@dataclasses.dataclass
class Shape:
    title: str
    loads: dict                       # contender: load; a contender is a proxy, or a proxy and after a blank what is special
    bases: tuple = ("relay", "haproxy", "nginx", "h2o")  # whose multiple the others' cost is given as
    note: str = ""


def everybody(title, note="", also=(), **how):
    """What is measured beside them is in `also`, as a base too."""
    return Shape(title, {name: Load(**how) for name in (*PEERS, *also)}, ("relay", *also, "haproxy", "nginx", "h2o"), note)


SHAPES = {
    "small-64": everybody("145 B JSON, 64 connections"),
    "small-1": everybody("145 B JSON, 1 connection", connections=1),
    "small-512": everybody("145 B JSON, 512 connections", connections=512),
    "rate-64": everybody("145 B JSON, 64 connections, fixed rate", tool="load", rate=1,
                         note="Requests are due at random times, as many a second for everyone: about half of what the slowest can "
                              "serve. A request's time runs from when it was due."),
    "fields": everybody("ten request fields, 64 connections", fields=FIELDS),
    "16k": everybody("16 KiB response, 64 connections", paths=("/16k",)),
    "1m": everybody("1 MiB response, 16 connections", paths=("/1m",), connections=16, also=("relay 256-kib",),
                    note="The relay copies through a buffer of 64 KiB, here also one through 256 KiB; haproxy and the gateway splice."),
    "post-16k": everybody("16 KiB POST, 64 connections", body=16 * 1024),
    "close": everybody("connection per request, 64 at once", tool="load", closes=True,
                       note="The relay knows no HTTP, so it connects to the upstream for each client anew: no floor here."),
    "fallback": Shape("fallback from an open breaker", {"gateway": Load(), "gateway fallback": Load(paths=("/dead",), status=503)}, ("gateway",)),
    "large": Shape("1,000 routes, 500 endpoints",
                   {"gateway": Load("load"), "gateway large": Load("load", paths=tuple(f"/r{i}/145" for i in range(LARGE_ROUTES)))},
                   ("gateway",)),
    "workers-2": Shape("two workers", {"gateway": Load(), "gateway two-workers": Load()}, ("gateway",),
                       note="Both on the proxies' one CPU: what a second worker costs, as there is no further CPU to gain by."),
}
QUICK = ("small-64", "16k")
