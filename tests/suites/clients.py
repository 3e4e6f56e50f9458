"""clients.py LIBRARY URL: what people do with requests, urllib3, httpx and aiohttp, against httpbin at URL. One line for each check:
"ok NAME" or "no NAME: why"."""
import asyncio
import base64
import concurrent.futures
import gzip
import json
import sys
import urllib.parse

LIBRARY, BASE = sys.argv[1], sys.argv[2]
MEBIBYTE = bytes(range(256)) * 4096


class Requests:
    def __init__(self):
        import requests
        self.session = requests.Session()

    def call(self, method, path, **options):
        answer = self.session.request(method, BASE + path, timeout=60, **options)
        return answer.status_code, answer.headers, answer.content


class Urllib3:
    def __init__(self):
        import urllib3
        self.pool = urllib3.PoolManager(maxsize=50)

    def call(self, method, path, data=None, json=None, headers=None, allow_redirects=True):
        if json is not None:
            answer = self.pool.request(method, BASE + path, json=json, headers=headers, redirect=allow_redirects)
        else:
            answer = self.pool.request(method, BASE + path, body=data, headers=headers, redirect=allow_redirects,
                                       chunked=hasattr(data, "__next__"))
        return answer.status, answer.headers, answer.data


class Httpx:
    def __init__(self):
        import httpx
        self.client = httpx.Client(timeout=60, limits=httpx.Limits(max_connections=50))

    def call(self, method, path, data=None, allow_redirects=True, **options):
        answer = self.client.request(method, BASE + path, content=data, follow_redirects=allow_redirects, **options)
        return answer.status_code, answer.headers, answer.content


class Aiohttp:
    def __init__(self):
        import aiohttp
        self.aiohttp, self.loop = aiohttp, asyncio.new_event_loop()
        self.session = self.loop.run_until_complete(self.open())

    async def open(self):
        return self.aiohttp.ClientSession(connector=self.aiohttp.TCPConnector(limit=50))

    async def ask(self, method, path, data=None, expect=False, **options):
        if hasattr(data, "__next__"):
            async def pieces(source=data):
                for piece in source:
                    yield piece
            data = pieces()
        async with self.session.request(method, BASE + path, data=data, expect100=expect, **options) as answer:
            return answer.status, answer.headers, await answer.read()

    def call(self, method, path, **options):
        return self.loop.run_until_complete(self.ask(method, path, **options))

    def many(self, paths):
        async def all_of_them():
            return await asyncio.gather(*(self.ask("GET", path) for path in paths))
        return self.loop.run_until_complete(all_of_them())


library = {"requests": Requests, "urllib3": Urllib3, "httpx": Httpx, "aiohttp": Aiohttp}[LIBRARY]()
call = library.call


def expect(condition, what=""):
    if not condition:
        raise AssertionError(what)


def get_with_a_query():
    status, _, body = call("GET", "/get?a=b&c=100%25&d=%C3%A9")
    expect(status == 200 and json.loads(body)["args"] == {"a": "b", "c": "100%", "d": "\u00e9"}, body)


def head():
    status, headers, body = call("HEAD", "/get")
    expect(status == 200 and body == b"" and int(headers["Content-Length"]) > 0)


def options():
    status, headers, _ = call("OPTIONS", "/get")
    expect(status == 200 and "GET" in headers["Allow"])


def other_methods():
    for method in ("PUT", "PATCH", "DELETE"):
        status, _, body = call(method, "/" + method.lower(), data=b"hello")
        expect(status == 200 and json.loads(body)["data"] == "hello", method)


def post_of_json():
    status, _, body = call("POST", "/post", json={"patient": 7})
    expect(status == 200 and json.loads(body)["json"] == {"patient": 7})


def upload_of_a_mebibyte():
    status, _, body = call("POST", "/post", data=MEBIBYTE)
    expect(status == 200 and base64.b64decode(json.loads(body)["data"].partition(",")[2]) == MEBIBYTE)


def chunked_upload():
    status, _, body = call("POST", "/post", data=iter([b"one ", b"two ", b"three"]))
    expect(status == 200 and json.loads(body)["data"] == "one two three", body[:200])


def upload_that_expects_100():
    options = {"expect": True} if LIBRARY == "aiohttp" else {"headers": {"Expect": "100-continue"}}
    status, _, body = call("POST", "/post", data=b"hello", **options)
    expect(status == 200 and json.loads(body)["data"] == "hello")


def statuses():
    for status in (200, 201, 204, 304, 400, 401, 404, 405, 409, 418, 429, 500, 503):
        expect(call("GET", f"/status/{status}", allow_redirects=False)[0] == status, status)


def redirects():
    status, _, body = call("GET", "/redirect/3")
    expect(status == 200 and json.loads(body)["url"].endswith("/get"))
    status, headers, _ = call("GET", "/redirect-to?url=/get&status_code=307", allow_redirects=False)
    expect(status == 307 and headers["Location"] == "/get")


def codings():
    for name, key in (("gzip", "gzipped"), ("deflate", "deflated")):
        expect(json.loads(call("GET", f"/{name}", headers={"Accept-Encoding": name})[2])[key], name)


def upload_that_is_compressed():
    status, _, body = call("POST", "/post", data=gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"})
    expect(status == 200 and json.loads(body)["headers"]["Content-Encoding"] == "gzip")


def download_in_chunks():
    status, _, body = call("GET", "/stream/20")
    expect(status == 200 and [json.loads(line)["id"] for line in body.splitlines()] == list(range(20)))


def download_of_100_kibibytes():
    expect(len(call("GET", "/bytes/102400?seed=1")[2]) == 102400)
    expect(call("GET", "/stream-bytes/102400?seed=1&chunk_size=777")[2] == call("GET", "/stream-bytes/102400?seed=1")[2])


def ranges():
    status, headers, body = call("GET", "/range/1024", headers={"Range": "bytes=10-19"})
    expect(status == 206 and len(body) == 10 and headers["Content-Range"] == "bytes 10-19/1024")


def conditions():
    expect(call("GET", "/etag/x", headers={"If-None-Match": '"x"'})[0] in (200, 304))
    expect(call("GET", "/cache", headers={"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"})[0] == 304)


def cookies():
    status, headers, _ = call("GET", "/cookies/set?a=b", allow_redirects=False)
    expect(status == 302 and headers["Set-Cookie"].startswith("a=b"))
    expect(json.loads(call("GET", "/cookies", headers={"Cookie": "c=d"})[2])["cookies"].get("c") == "d")


def credentials():
    secret = {"Authorization": "Basic " + base64.b64encode(b"user:secret").decode()}
    expect(call("GET", "/basic-auth/user/secret", headers=secret)[0] == 200)
    status, headers, _ = call("GET", "/basic-auth/user/secret")
    expect(status == 401 and headers["WWW-Authenticate"].startswith("Basic"))


def large_fields():
    expect(json.loads(call("GET", "/headers", headers={"X-Large": "a" * 6000})[2])["headers"]["X-Large"] == "a" * 6000)
    expect(call("GET", "/response-headers?X-Large=" + "a" * 3000)[1]["X-Large"] == "a" * 3000)


def names_in_paths():
    url = json.loads(call("GET", "/anything/%C3%A9/a%20b/c;d=e")[2])["url"]
    expect(urllib.parse.unquote(url).endswith("/anything/\u00e9/a b/c;d=e"), url)


def a_hundred_one_after_the_other():
    for number in range(100):
        expect(json.loads(call("GET", f"/get?n={number}")[2])["args"]["n"] == str(number), number)


def fifty_at_once():
    paths = [f"/get?n={number}" for number in range(200)]
    if LIBRARY == "aiohttp":
        answers = library.many(paths)
    else:
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda path: call("GET", path), paths))
    expect([json.loads(body)["args"]["n"] for _, _, body in answers] == [str(number) for number in range(200)])


for check in (get_with_a_query, head, options, other_methods, post_of_json, upload_of_a_mebibyte, chunked_upload, upload_that_expects_100,
              statuses, redirects, codings, upload_that_is_compressed, download_in_chunks, download_of_100_kibibytes, ranges, conditions,
              cookies, credentials, large_fields, names_in_paths, a_hundred_one_after_the_other, fifty_at_once):
    try:
        check()
        print("ok", check.__name__)
    except Exception as error:  # whatever a library throws is the answer
        print(f"no {check.__name__}: {type(error).__name__} {str(error)[:200]!r}")
