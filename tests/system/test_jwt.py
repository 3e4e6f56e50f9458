"""auth.jwt: who gets through, what the service hears of them, and what becomes of the keys when the issuer rotates them, dies and
comes back. The attacks are in tests/unit/test_token.c, each by itself; here some of them come over the wire."""
import concurrent.futures
import json
import os
import signal
import threading
import time

import pytest

import process
from harness import GUARD, Client, free_port, until
from issuer import Issuer, Key, bearer, encode


@pytest.fixture(scope="module")
def keys():
    return [Key("one"), Key("two")]


@pytest.fixture
def issuer(upstream, keys):
    return Issuer(upstream, keys[:1])


@pytest.fixture
def guarded(gateway, upstream, issuer):
    """guarded(**keys of auth.jwt): a gateway with one guarded route, and the service behind it."""
    def make(workers=2, **more):
        service = upstream()
        jwt = {"issuer": issuer.name, "audiences": ["hospital"], "jwks": issuer.url, **more}
        running = gateway(service, [{"path": "/", "auth": {"jwt": {key: value for key, value in jwt.items() if value is not None}}}],
                          workers=workers)
        running.service = service
        return running

    return make


def ask(running, token=None, headers=(), **how):
    client = Client(running.port)
    try:
        return client.request(headers=[*(bearer(token) if token else []), *headers], **how)
    finally:
        client.close()


def expect_refused(answer, why, error="invalid_token"):
    assert answer.status == 401 and why in answer.body.decode(), answer
    assert answer.get("WWW-Authenticate") == f'Bearer error="{error}", error_description="{why}"'


def test_a_signed_token_gets_through(guarded, issuer):
    running = guarded()
    for _ in range(3):  # also when it is known
        assert ask(running, issuer.token()).status == 200
        token = issuer.token(jti="again")
        assert ask(running, token).status == 200 and ask(running, token).status == 200
    for request in running.service.requests:
        assert request.get("Authorization").startswith("Bearer ey")
    assert {line["outcome"] for line in running.log(9)} == {"answered"}


def test_nothing_else_gets_through(guarded, issuer, keys):
    running = guarded(algorithms=["RS256"])
    answer = ask(running)
    assert answer.status == 401 and answer.get("WWW-Authenticate") == "Bearer"
    for value in ("Basic dXNlcjpwYXNz", "Bearer", "bearerx y", "Token " + issuer.token()):
        answer = ask(running, headers=[("Authorization", value)])
        assert answer.status == 401 and answer.get("WWW-Authenticate") == "Bearer", value
    answer = ask(running, headers=[("X", "y")], target="/?access_token=" + issuer.token())
    assert answer.status == 401 and answer.get("WWW-Authenticate") == "Bearer"
    wrong = "the token's alg is not one that is accepted here"
    expect_refused(ask(running, encode({"alg": "none"}) + "." + encode(issuer.claims()) + "."), wrong)
    expect_refused(ask(running, issuer.token_by_secret(issuer.key_set())), wrong)
    expect_refused(ask(running, issuer.token(Key("one"))), "the token's signature is wrong")
    expect_refused(ask(running, issuer.token(Key("e", "ES256"))), wrong)
    expect_refused(ask(running, issuer.token(keys[1])), "the token was signed with a key that is not known")
    expect_refused(ask(running, issuer.token(exp=1)), "the token has expired")
    expect_refused(ask(running, issuer.token(exp=None)), "the token has no exp")
    expect_refused(ask(running, issuer.token(nbf=4000000000)), "the token is not valid yet")
    expect_refused(ask(running, issuer.token(iss="http://other")), "the token is from another issuer")
    expect_refused(ask(running, issuer.token(aud=["other"])), "the token is for another audience")
    expect_refused(ask(running, "x" * 9000), "the token has not the three parts of a signed one")
    head, _, signature = issuer.token().split(".")
    expect_refused(ask(running, f"{head}.\xff.{signature}"), "the token's claims are not base64url")
    assert not running.service.requests
    assert {line["outcome"] for line in running.log(17)} == {"unauthorized"}
    assert running.breaker()["bufferedCalls"] == 0


def test_a_token_given_twice_is_refused(guarded, issuer):
    running = guarded()
    answer = ask(running, issuer.token(), headers=bearer(issuer.token()))
    assert answer.status == 400 and answer.get("WWW-Authenticate") == 'Bearer error="invalid_request"'
    answer = ask(running, issuer.token(), headers=[("authorization", "Basic dXNlcjpwYXNz")])
    assert answer.status == 400
    assert not running.service.requests


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"])
def test_every_algorithm(gateway, upstream, algorithm):
    """Also in the sandbox, whose workers may open no file."""
    service, key = upstream(), Key("k", algorithm)
    issuer = Issuer(upstream, [key])
    running = gateway(service, [{"path": "/", "auth": {"jwt": {"issuer": issuer.name, "audiences": ["hospital"], "jwks": issuer.url,
                                                                "algorithms": [algorithm]}}}])
    until(lambda: ask(running, issuer.token()).status == 200, "its keys are known, and it passes")
    good = issuer.token()
    bad = good[:-8] + ("AAAAAAAA" if good[-8:] != "AAAAAAAA" else "BBBBBBBB")
    assert ask(running, bad).status == 401


def test_claims_reach_the_service_and_nothing_that_looks_like_them(guarded, issuer):
    running = guarded(claims_to_headers={"X-User": "sub", "X-Roles": "roles", "X-None": "nothing"}, forward_token="off")
    disguised = [("X-User", "root"), ("x_user", "root"), ("X.User", "root"), ("X-USER_", "root"), ("X-None", "root"), ("x_none", "root")]
    assert ask(running, issuer.token(roles=["nurse", "admin"]), headers=disguised).status == 200
    request = running.service.requests[0]
    assert request.get("X-User") == "7" and request.get("X-Roles") == '["nurse","admin"]'
    assert "root" not in request.raw.decode()
    assert "authorization" not in request.names()


def test_a_claim_is_no_way_to_write_fields(guarded, issuer):
    running = guarded(claims_to_headers={"X-User": "name"})
    why = "a claim that the route passes on can't stand in a field"
    expect_refused(ask(running, issuer.token(name="a\r\nX-Admin: 1")), why)
    expect_refused(ask(running, issuer.token(name="root ")), why)
    assert ask(running, issuer.token(name="J\u00fcrgen")).status == 200
    assert running.service.requests[0].get("X-User") == "J\u00fcrgen".encode().decode("latin-1")
    assert len(running.service.requests) == 1


def test_rates_are_limited_by_claim(gateway, upstream, issuer):
    """Each user has calls of their own, and a request without a good token takes none of them."""
    jwt = {"issuer": issuer.name, "audiences": ["hospital"], "jwks": issuer.url}
    running = gateway(upstream(), [{"path": "/", "auth": {"jwt": jwt}, "rate_limit": {"rate": "1/h", "burst": 2, "key": "jwt:sub"}}])
    for token in (issuer.token(Key("one")), issuer.token(exp=1), None):
        for _ in range(3):
            assert ask(running, token).status == 401
    for sub in ("7", "8", None):
        statuses = [ask(running, issuer.token(sub=sub, jti=str(number))).status for number in range(4)]
        assert statuses == [200, 200, 429, 429], sub


# ---- keys --------------------------------------------------------------------------------------------------------


def test_rotation(guarded, issuer, keys):
    """A token with an unknown key waits while the gateway fetches newer keys, once: no client notices that the issuer has another
    key, and what the old key has signed is no longer good."""
    running = guarded()
    assert ask(running, issuer.token(keys[0])).status == 200
    asked = len(issuer.server.requests)
    issuer.keys = keys[1:]
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda number: ask(running, issuer.token(keys[1], jti=str(number))).status, range(8)))
    assert answers == 8 * [200]
    old = issuer.token(keys[0])
    until(lambda: ask(running, old).status == 401, "the old key is gone in every worker")
    assert len(issuer.server.requests) == asked + 1
    # Clients that send unknown keys cause no other fetch now: they must not flood an issuer by way of the gateway.
    for number in range(20):
        assert ask(running, issuer.token(Key("one") if number == 0 else keys[0])).status == 401
    assert len(issuer.server.requests) == asked + 1


def test_a_token_waits_for_an_issuer_that_answers_late(guarded, issuer, keys):
    """Others are served meanwhile, and a client may leave."""
    running = guarded()
    assert ask(running, issuer.token(keys[0])).status == 200
    may_answer = threading.Event()

    def answer_late(connection, request):
        may_answer.wait(GUARD)
        issuer.serve(connection, request)

    asked = len(issuer.server.requests)
    issuer.server.handler = answer_late
    issuer.keys = keys[1:]
    waiting, leaving = Client(running.port), Client(running.port)
    for client in (waiting, leaving):
        client.ask(headers=bearer(issuer.token(keys[1])))
    issuer.server.wait_for(asked + 1)
    assert ask(running, issuer.token(keys[0])).status == 200
    leaving.reset()
    may_answer.set()
    assert waiting.answer().status == 200
    waiting.close()
    assert ask(running, issuer.token(keys[1])).status == 200
    assert {line["outcome"] for line in running.log(5)} <= {"answered", "client_aborted"}


@pytest.mark.parametrize("how", ["500", "silence", "the same keys"])
def test_a_token_of_an_unknown_key_is_refused_when_no_key_comes(guarded, issuer, keys, how):
    running = guarded()
    assert ask(running, issuer.token()).status == 200
    if how == "500":
        issuer.server.handler = lambda connection, request: connection.reply(500)
    elif how == "silence":
        issuer.server.handler = lambda connection, request: connection.is_closed()
    unknown = "the token was signed with a key that is not known"
    for _ in range(3):  # the others do not wait, since the gateway has just looked
        expect_refused(ask(running, issuer.token(keys[1])), unknown)
    assert ask(running, issuer.token()).status == 200


def test_the_keys_stay_while_the_issuer_is_down(guarded, issuer, keys):
    running = guarded(refresh="1s")
    assert ask(running, issuer.token()).status == 200
    for answer in ((500, b"broken"), (200, b"<html>"), (200, b'{"keys": 7}'), (404, b""), (200, b" " * 300000)):
        issuer.server.handler = lambda connection, request, answer=answer: connection.reply(*answer)
        issuer.server.wait_for(len(issuer.server.requests) + 1)
        assert ask(running, issuer.token()).status == 200
    issuer.server.handler = lambda connection, request: connection.reset()
    issuer.server.wait_for(len(issuer.server.requests) + 1)
    assert ask(running, issuer.token()).status == 200
    until(lambda: running.has_said("the gateway goes on with its last keys"), "a line for it")
    issuer.keys = keys[1:]
    issuer.server.handler = issuer.serve
    until(lambda: ask(running, issuer.token()).status == 200, "it is back, with another key")
    until(lambda: running.has_said("answers again"), "a line for that, too")


def test_keys_are_taken_back_by_an_empty_set(guarded, issuer):
    running = guarded(refresh="1s")
    assert ask(running, issuer.token()).status == 200
    issuer.published = {"keys": []}
    until(lambda: ask(running, issuer.token()).status == 401, "no key is left")


def test_without_keys_nobody_gets_through(gateway, upstream, keys):
    service, port = upstream(), free_port()
    jwt = {"issuer": "http://issuer.example", "audiences": ["hospital"], "jwks": f"http://127.0.0.1:{port}/keys"}
    running = gateway(service, [{"path": "/", "auth": {"jwt": jwt}}, {"path": "/open"}])
    signer = Issuer(lambda serve: upstream(), keys)
    answer = ask(running, signer.token())
    assert answer.status == 503 and answer.get("Retry-After") == "1" and b"issuer" in answer.body
    assert ask(running).status == 401  # it never had a chance
    assert ask(running, target="/open").status == 200
    assert sorted(line["outcome"] for line in running.log(3)) == ["answered", "auth_unavailable", "unauthorized"]
    Issuer(upstream, keys, port=port)
    until(lambda: ask(running, signer.token()).status == 200, "the issuer has come")


def test_an_issuer_by_name_that_moves(gateway, upstream, dns, keys):
    port = free_port("127.0.0.2", "127.0.0.3")
    first = Issuer(upstream, keys[:1], address="127.0.0.2", port=port)
    dns.set("keycloak.example", "127.0.0.2")
    running = gateway(upstream(), [{"path": "/", "auth": {"jwt": {
        "issuer": first.name, "audiences": ["hospital"], "jwks": f"http://keycloak.example:{port}/keys", "refresh": "1s"}}}],
        dns={"servers": [f"127.0.0.1:{dns.port}"], "timeout": "5s"})
    assert ask(running, first.token()).status == 200
    assert first.server.requests[0].get("Host") == f"keycloak.example:{port}"
    second = Issuer(upstream, keys[1:], address="127.0.0.3", port=port)
    dns.set("keycloak.example", "127.0.0.3")
    first.server.stop()
    until(lambda: ask(running, second.token()).status == 200, "the other address is asked")


def test_an_issuer_whose_certificate_nobody_vouches_for(gateway, upstream):
    """TLS is spoken, and not believed blindly."""
    greetings = []

    def hello(connection, request):
        connection.close()

    server = upstream(hello)
    server.serve = lambda connection: greetings.append(connection.socket.recv(5)) or connection.close()
    running = gateway(upstream(), [{"path": "/", "auth": {"jwt": {"issuer": "i", "audiences": ["a"],
                                                                   "jwks": f"https://127.0.0.1:{server.port}/keys"}}}])
    until(lambda: running.has_said("no keys from https://"), "the failure is said")
    until(lambda: greetings, "what the server got")
    assert greetings[0][:2] == b"\x16\x03"  # a ClientHello
    assert ask(running, "x.y.z").status == 503


# ---- reloads -----------------------------------------------------------------------------------------------------


def test_reloads(gateway, upstream, issuer, keys):
    """A reload forgets no keys, even if the issuer is away; another audience counts for tokens that were known."""
    service = upstream()

    def routes(**more):
        jwt = {"issuer": issuer.name, "audiences": ["hospital"], "jwks": issuer.url, **more}
        return [{"path": "/", "auth": {"jwt": jwt}}]

    running = gateway(service, routes())
    token = issuer.token()
    assert ask(running, token).status == 200
    issuer.server.stop()
    running.configure(service, routes(leeway="30s"))
    assert "in use now" in running.reload()
    assert ask(running, token).status == 200
    running.configure(service, routes(audiences=["other"]))
    assert "in use now" in running.reload()
    until(lambda: ask(running, token).status == 401, "both workers know")
    running.configure(service, [{"path": "/"}])
    assert "in use now" in running.reload()
    until(lambda: ask(running).status == 200, "both workers know")


def test_a_reload_lets_no_token_wait_for_an_issuer_that_it_leaves(guarded, issuer, keys):
    """The request goes on with the configuration that it began with, and with the keys that were known."""
    running, may_answer = guarded(workers=1), threading.Event()
    assert ask(running, issuer.token()).status == 200
    asked = len(issuer.server.requests)
    issuer.server.handler = lambda connection, request: may_answer.wait(GUARD)
    waiting, began = Client(running.port), time.monotonic()
    waiting.ask(headers=bearer(issuer.token(keys[1])))
    issuer.server.wait_for(asked + 1)
    running.configure(running.service, [{"path": "/"}], workers=1)
    assert "in use now" in running.reload()
    expect_refused(waiting.answer(), "the token was signed with a key that is not known")
    assert time.monotonic() - began < 5, "it does not wait for the end of its five seconds"
    assert ask(running).status == 200
    may_answer.set()
    waiting.close()


def test_a_reload_waits_for_keys(gateway, upstream, issuer):
    """So that a route that is new does not begin with 503."""
    service, asked, may_answer = upstream(), threading.Event(), threading.Event()

    def late(connection, request):
        asked.set()
        may_answer.wait(GUARD)
        issuer.serve(connection, request)

    issuer.server.handler = late
    running = gateway(service)
    running.configure(service, [{"path": "/", "auth": {"jwt": {"issuer": issuer.name, "audiences": ["hospital"], "jwks": issuer.url}}}])
    began, token = time.monotonic(), issuer.token()
    running.signal(signal.SIGHUP)
    asked.wait(GUARD)
    status = ask(running, token).status
    waited = time.monotonic() - began
    assert status == 200 or waited > 0.9, "the old configuration serves; it is waited for a second at most"
    may_answer.set()
    until(lambda: running.has_said("in use now"), "the reload is over")
    until(lambda: ask(running).status == 401, "both workers know")
    assert ask(running, token).status == 200 or waited > 0.9


def test_a_reload_changes_how_often_keys_are_fetched(gateway, upstream, issuer):
    service = upstream()
    jwt = {"issuer": issuer.name, "audiences": ["hospital"], "jwks": issuer.url, "refresh": "1h"}
    running = gateway(service, [{"path": "/", "auth": {"jwt": jwt}}])
    asked = len(issuer.server.requests)
    running.configure(service, [{"path": "/", "auth": {"jwt": jwt}}, {"path": "/often", "auth": {"jwt": {**jwt, "refresh": "1s"}}}])
    assert "in use now" in running.reload()
    issuer.server.wait_for(asked + 2)


def test_keys_of_a_file(gateway, upstream, issuer, keys, tmp_path):
    file, service = tmp_path / "keys.json", upstream()
    file.write_bytes(issuer.key_set())
    running = gateway(service, [{"path": "/", "auth": {"jwt": {"issuer": issuer.name, "audiences": ["hospital"],
                                                                "jwks": str(file)}}}])
    old = issuer.token()
    assert ask(running, old).status == 200
    issuer.keys = keys[1:]
    (tmp_path / "keys.new").write_bytes(issuer.key_set())
    os.rename(tmp_path / "keys.new", file)
    assert ask(running, old).status == 200
    running.reload()
    until(lambda: ask(running, old).status == 401 and ask(running, issuer.token()).status == 200, "the new file counts")
    for text in ("{}", "<html>", json.dumps({"keys": []}), json.dumps({"keys": [{"kty": "oct", "k": "AQ"}]})):
        file.write_text(text)
        assert "can't use" in running.reload()
        assert ask(running, issuer.token()).status == 200
        checked = process.run("--check", "--config", running.file)
        assert checked.returncode == 2 and "auth.jwt: can't use" in checked.stderr, checked.stderr
    assert not issuer.server.requests


def test_every_file_without_keys_is_told_at_once(tmp_path):
    (tmp_path / "broken.json").write_text("{]")
    (tmp_path / "empty.json").write_text('{"keys": []}')
    file = tmp_path / "gateway.yml"
    auth = "auth: {{ jwt: {{ issuer: i, audiences: [b], jwks: {}.json }} }}".format
    file.write_text("upstreams: { a: { url: http://127.0.0.1:1 } }\nroutes:\n" + "".join(
        f"  - {{ path: /{number}, upstream: a, {keys} }}\n"
        for number, keys in enumerate((auth("broken"), "exact: off", auth("broken"), auth("empty")))))
    for arguments in (("--check", "--config"), ("--config",)):
        done = process.run(*arguments, str(file))
        told = done.stderr.splitlines()
        assert done.returncode == 2 and [line.split(":")[1] for line in told] == ["3", "6"], told
        assert "error: auth.jwt: can't use broken.json" in told[0] and "error: auth.jwt: can't use empty.json" in told[1]


def test_many_tokens_and_reloads_at_once(guarded, issuer):
    """Every token is another, while configurations come and go: nothing is mixed up, and nothing is left behind."""
    running = guarded(claims_to_headers={"X-User": "sub"}, refresh="1s")
    for number in range(300):
        if number % 50 == 25:
            running.signal(signal.SIGHUP)
        assert ask(running, issuer.token(sub=f"user-{number}")).status == 200
        assert running.service.requests[-1].get("X-User") == f"user-{number}"
