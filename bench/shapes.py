"""What is asked of the proxies."""
import os

HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = ["Accept: text/html,application/json;q=0.9,*/*;q=0.8", "Accept-Language: de-DE,de;q=0.9,en;q=0.8", "Cache-Control: no-cache",
          "Accept-Encoding: gzip, deflate, br", "Cookie: session=4f1c2a9be07d4e6f8a90c1d2e3f40516; theme=light",
          "Referer: http://hospital.example/wards/7", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
          "X-Requested-With: XMLHttpRequest", "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl"]
ALL = ["relay", "haproxy", "nginx", "gateway"]
# name: (what, connections, path, wrk options, who takes part)
SHAPES = {
    "small-64": ("145 B JSON, 64 connections", 64, "/145", [], ALL),
    "small-1": ("145 B JSON, 1 connection", 1, "/145", [], ALL),
    "small-512": ("145 B JSON, 512 connections", 512, "/145", [], ALL),
    "fields": ("ten request fields, 64 connections", 64, "/145", [x for field in FIELDS for x in ("-H", field)], ALL),
    "16k": ("16 KiB response", 64, "/16k", [], ALL),
    "1m": ("1 MiB response", 16, "/1m", [], ALL),
    "post-16k": ("16 KiB POST", 64, "/145", ["-s", os.path.join(HERE, "post.lua")], ALL),
    "close": ("connection per request", 64, "/145", ["-H", "Connection: close"], ["haproxy", "nginx", "gateway"]),
    "fallback": ("fallback from an open breaker", 64, "/dead", [], ["gateway"]),
    "workers-2": ("145 B JSON, 2 workers", 64, "/145", [], ["relay", "gateway", "gateway-2"]),
}
QUICK = ["small-64", "16k"]
