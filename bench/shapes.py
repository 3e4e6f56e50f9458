"""The requests to the proxies, and their targets."""
import base64
import dataclasses
import os

from loads import Load
from proxies import HERE, ROOT

FIELDS = ("Accept: text/html,application/json;q=0.9,*/*;q=0.8", "Accept-Language: de-DE,de;q=0.9,en;q=0.8", "Cache-Control: no-cache",
          "Accept-Encoding: gzip, deflate, br", "Cookie: session=4f1c2a9be07d4e6f8a90c1d2e3f40516; theme=light",
          "Referer: http://hospital.example/wards/7", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
          "X-Requested-With: XMLHttpRequest", "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl")
# Signed with a key that nobody has any more, good until the year 2100; of the size that Keycloak makes them.
with open(os.path.join(HERE, "token")) as file:
    TOKEN = "Authorization: Bearer " + file.read().strip()
ORIGIN = "Origin: https://app.example"
PEERS = ("relay", "haproxy", "nginx", "h2o", "gateway")
LARGE_ROUTES, LARGE_ENDPOINTS = 1000, 500


def way(keys=""):
    """A route of its own, with these keys: what each costs is the difference to the same without it."""
    return f"  - {{ path: /way, upstream: back{', ' if keys else ''}{keys} }}\n"


LIMITED_ROUTE = way("rate_limit: { rate: 1000000/s, burst: 1000000 }")
CORS_ROUTE = way("cors: { origins: ['https://app.example'] }")
CORS_FULL_ROUTE = way("cors: { origins: ['https://app.example'], credentials: on, expose: [X-Total] }")
JWT_ROUTE = way("auth: { jwt: { issuer: 'https://keycloak.example/realms/hospital', audiences: [hospital], "
                f"jwks: '{HERE}/keys.json', claims_to_headers: {{ X-User: sub }} }} }}")
# The user's password is known to the gateway from the second request on.
PASSWORD = "Authorization: Basic " + base64.b64encode(b"bob:secretbob").decode()
BASIC_ROUTE = way(f"auth: {{ basic: {{ file: '{ROOT}/tests/unit/data/users.htpasswd' }} }}")
FORWARD_ROUTE = way("auth: { forward: { upstream: back, path: /verify } }")
BODY_ROUTE = way("response_body: 1MiB")
REGEX_ROUTE = way("rewrite: { regex: '^/way/(?<rest>.*)', replacement: '/${rest}' }").replace("$", "$$")
# What a proxy does on its way, by shape: the values to start it with.
WAYS = {
    "gateway": {"": {"MORE_ROUTES": way()}, "rate-limit": {"MORE_ROUTES": LIMITED_ROUTE}, "cors": {"MORE_ROUTES": CORS_FULL_ROUTE},
                "jwt": {"MORE_ROUTES": JWT_ROUTE}, "regex": {"MORE_ROUTES": REGEX_ROUTE}, "basic": {"MORE_ROUTES": BASIC_ROUTE},
                "forward": {"MORE_ROUTES": FORWARD_ROUTE}},
    "nginx": {"": {}, "rate-limit": {"WAY": "limit_req zone=clients burst=100000 nodelay;"},
              "cors": {"WAY": "add_header Vary Origin always; add_header Access-Control-Allow-Origin $allowed_origin always; "
                              "add_header Access-Control-Allow-Credentials true always; add_header Access-Control-Expose-Headers X-Total always;"},
              "regex": {"WAY": "rewrite ^/way/(.*)$ /$1 break;"}},
    "haproxy": {"": {}, "rate-limit": {"WAY": "http-request track-sc0 src table clients\n"
                                              "    http-request deny deny_status 429 if { sc_http_req_rate(0,clients) gt 1000000 }"},
                "cors": {"WAY": "http-request set-var(txn.origin) req.hdr(origin)\n" + "".join(
                    f"    http-response set-header {name} {value} if {{ var(txn.origin) -m str https://app.example }}\n"
                    for name, value in (("Vary", "Origin"), ("Access-Control-Allow-Origin", "%[var(txn.origin)]"),
                                        ("Access-Control-Allow-Credentials", "true"), ("Access-Control-Expose-Headers", "X-Total")))},
                "regex": {"WAY": "http-request replace-path ^/way/(.*) /\\1"}},
}


@dataclasses.dataclass
class Shape:
    title: str
    loads: dict                       # contender: load; a contender is a proxy, or a proxy and after a blank what is special
    bases: tuple = ("relay", "haproxy", "nginx", "h2o")  # whose multiple the others' cost is given as
    note: str = ""


def everybody(title, note="", also=(), **how):
    """`also` has the programs measured beside them, as a base too."""
    return Shape(title, {name: Load(**how) for name in (*PEERS, *also)}, ("relay", *also, "haproxy", "nginx", "h2o"), note)


def beside(special, title, programs=("nginx", "haproxy", "gateway"), note="", **how):
    """The programs without and with something special on the way (WAYS)."""
    load = Load(paths=("/way/145",), **how)
    return Shape(title, {name: load for program in programs for name in (program, f"{program} {special}")}, programs, note)


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
    "rate-limit": beside("rate-limit", "rate limit by client, which nobody reaches"),
    "cors": beside("cors", "an Origin that cors allows, with credentials", fields=(ORIGIN,)),
    "regex": beside("regex", "a path that a regular expression rewrites"),
    "jwt": beside("jwt", "a bearer token that is known", ("gateway",), fields=(TOKEN,),
                  note="The same token with each request, which the one passes on and the other verifies (auth.jwt, RS256)."),
    "basic": beside("basic", "a password that is known", ("gateway",), fields=(PASSWORD,),
                    note="The same user with each request; nginx and haproxy hash the password each time, so they are not beside it."),
    "forward": beside("forward", "another upstream is asked first", ("gateway",),
                      note="auth.forward: each request costs a second one, from the gateway to the upstream."),
    "large": Shape("1,000 routes, 500 endpoints",
                   {"gateway": Load("load"), "gateway large": Load("load", paths=tuple(f"/r{i}/145" for i in range(LARGE_ROUTES)))},
                   ("gateway",)),
    "workers-2": Shape("two workers", {"gateway": Load(), "gateway two-workers": Load()}, ("gateway",),
                       note="Both on the proxies' one CPU: what a second worker costs, as there is no further CPU to gain by."),
}
QUICK = ("small-64", "16k")
