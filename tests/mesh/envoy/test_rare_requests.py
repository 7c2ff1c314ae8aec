"""Requests and tokens that are seldom met: the evaluator and a real Envoy both come to the outcome that is written."""

import time

import pytest

from kntls.mesh import resources
from kntls.mesh.authz import Request, Workload
from kntls.mesh.envoy.config import Site
from kntls.mesh.envoy.oracle import Oracle
from kntls.mesh.world import build

WEB = Workload("web", "a")
PEER = "spiffe://cluster.local/ns/a/sa/x"


def thing(kind, spec, name="p"):
    metadata = {"name": name, "namespace": "a"}
    return {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def allow(*rules):
    return thing("AuthorizationPolicy", {"rules": list(rules)})


def deny(*rules):
    return thing("AuthorizationPolicy", {"action": "DENY", "rules": list(rules)}, "d")


def to(**operation):
    return {"to": [{"operation": operation}]}


def source(**fields):
    return {"from": [{"source": fields}]}


def when(key, *values):
    return {"when": [{"key": key, "values": list(values)}]}


def tokens(*rules):
    return thing("RequestAuthentication", {"jwtRules": list(rules)})


def request(**fields):
    return Request(
        80, **{"peer": PEER, "authority": "web.a", "source_ip": "127.0.0.1", "remote_ip": "10.1.2.3"} | fields
    )


GET = request()
PLAIN = request(peer=None)
ISSUER = tokens({"issuer": "i"})
TOKEN = {"iss": "i", "sub": "s"}
ANYBODY = allow(source(requestPrincipals=["*"]))
PREFLIGHT = {"origin": "https://a", "access-control-request-method": "GET"}
ASKS_NOBODY = thing(
    "AuthorizationPolicy", {"action": "CUSTOM", "provider": {"name": "none"}, "rules": [to(paths=["/"])]}, "c"
)


def claim(name, *values):
    return [ISSUER, allow(when(f"request.auth.claims{name}", *values))]


ROWS = {
    "the path as a header has its query": (
        [allow(when("request.headers[:path]", "/x?q"))],
        request(path="/x?q"),
        None,
        200,
    ),
    "Host is the authority": ([allow(when("request.headers[Host]", "web.a"))], GET, None, 200),
    "a header that is empty is present": (
        [allow(when("request.headers[x-a]", "*"))],
        request(headers={"x-a": ""}),
        None,
        200,
    ),
    "a method in lower case is no request": ([], request(method="get"), None, 400),
    "nor is one nobody knows": ([allow(to(methods=["*"]))], request(method="FOO"), None, 400),
    "a method of WebDAV is one": ([allow(to(methods=["PROP*"]))], request(method="PROPFIND"), None, 200),
    "a path that is not ASCII is no request": ([], request(path="/\xe9"), None, 400),
    "a star in a path is text": ([allow(to(paths=["/a/{*}"]))], request(path="/a/*"), None, 200),
    "a template's star is never empty": ([allow(to(paths=["/a/{*}"]))], request(path="/a/"), None, 403),
    "nor does it cross a slash": ([allow(to(paths=["/a/{*}"]))], request(path="/a/b/c"), None, 403),
    "two stars may be empty and cross": ([allow(to(paths=["/a/{**}/d"]))], request(path="/a//d"), None, 200),
    "the final dot of a host counts": ([allow(to(hosts=["web.a"]))], request(authority="web.a."), None, 403),
    "and so does its port": ([allow(to(hosts=["*.a"]))], request(authority="web.a:80"), None, 403),
    "plaintext has no identity": ([allow(source(principals=["*"]))], PLAIN, None, 403),
    "which a negated field takes": ([allow(source(notPrincipals=["*"]))], PLAIN, None, 200),
    "and a DENY of it stops": ([deny(source(notPrincipals=["*"]))], PLAIN, None, 403),
    "an IPv6 range holds no IPv4 address": ([allow(source(remoteIpBlocks=["::/0"]))], GET, None, 403),
    "not even a mapped one": ([allow(source(remoteIpBlocks=["::ffff:10.1.2.3"]))], GET, None, 403),
    "a bad provider denies before the token is looked at": ([ASKS_NOBODY, ISSUER], GET, "bad", 403),
    "and elsewhere the token is": ([ASKS_NOBODY, ISSUER], request(path="/y"), "bad", 401),
    "a bad token comes before a DENY": ([ISSUER, deny({})], GET, "bad", 401),
    "nobody looks at a token no policy names": ([], GET, "bad", 200),
    "an empty token is none": ([ISSUER], GET, "", 200),
    "a token that is no token is one all the same": (
        [ISSUER],
        request(headers={"authorization": "Bearer nonsense"}),
        None,
        401,
    ),
    "unless nothing says that it is a token": ([ISSUER], request(headers={"authorization": "nonsense"}), None, 200),
    "the word before it is written so and not otherwise": (
        [ISSUER],
        request(headers={"authorization": "bearer nonsense"}),
        None,
        200,
    ),
    "the query may hold one": ([ISSUER], request(path="/?access_token=nonsense"), None, 401),
    "but not where a rule looks elsewhere": (
        [tokens({"issuer": "i", "fromHeaders": [{"name": "x-jwt"}]})],
        request(path="/?access_token=nonsense", headers={"authorization": "Bearer nonsense"}),
        None,
        200,
    ),
    "which may be a header of its own": (
        [tokens({"issuer": "i", "fromHeaders": [{"name": "x-jwt"}]})],
        request(headers={"x-jwt": "nonsense"}),
        None,
        401,
    ),
    "or a parameter": ([tokens({"issuer": "i", "fromParams": ["t"]})], request(path="/?a=1&t=nonsense"), None, 401),
    "with a good token": ([tokens({"issuer": "i", "fromParams": ["t"]}), ANYBODY], GET, TOKEN, 200),
    "or a cookie": (
        [tokens({"issuer": "i", "fromCookies": ["t"]})],
        request(headers={"cookie": "a=1; t=nonsense"}),
        None,
        401,
    ),
    "of its name": (
        [tokens({"issuer": "i", "fromCookies": ["t"]})],
        request(headers={"cookie": "a=1; tt=nonsense"}),
        None,
        200,
    ),
    "with a good token in it": ([tokens({"issuer": "i", "fromCookies": ["t"]}), ANYBODY], GET, TOKEN, 200),
    "two rules may look in two places": (
        [tokens({"issuer": "i"}, {"issuer": "j", "fromHeaders": [{"name": "x-jwt"}]}), ANYBODY],
        request(headers={"x-jwt": "nonsense"}),
        TOKEN,
        200,
    ),
    "a preflight needs no token": ([ISSUER], request(method="OPTIONS", headers=PREFLIGHT), "bad", 200),
    "OPTIONS alone does": ([ISSUER], request(method="OPTIONS"), "bad", 401),
    "an expiry of nought is none": ([ISSUER], GET, TOKEN | {"exp": 0}, 200),
    "clocks may differ by a minute": ([ISSUER], GET, lambda now: TOKEN | {"exp": now - 30, "nbf": now + 30}, 200),
    "but no more": ([ISSUER], GET, lambda now: TOKEN | {"exp": now - 90}, 401),
    "either way": ([ISSUER], GET, lambda now: TOKEN | {"nbf": now + 90}, 401),
    "an expiry is a number": ([ISSUER], GET, TOKEN | {"exp": "4000000000"}, 401),
    "of now or later": ([ISSUER], GET, TOKEN | {"exp": -1}, 401),
    "a subject is a text": ([ISSUER], GET, TOKEN | {"sub": 1}, 401),
    "so is every audience": ([ISSUER], GET, TOKEN | {"aud": ["a", 1]}, 401),
    "and the token's own name": ([ISSUER], GET, TOKEN | {"jti": 1}, 401),
    "a token without a subject has no principal": ([ISSUER, ANYBODY], GET, {"iss": "i"}, 403),
    "an issuer without a slash asks for an empty subject": (
        [ISSUER, allow(source(requestPrincipals=["i"]))],
        GET,
        TOKEN | {"sub": ""},
        200,
    ),
    "which is not a missing one": ([ISSUER, allow(source(requestPrincipals=["i"]))], GET, {"iss": "i"}, 403),
    "a rule without an issuer takes any": ([tokens({"jwksUri": "https://a/b"}), ANYBODY], GET, TOKEN, 200),
    "audiences are compared without scheme and last slash": (
        [tokens({"issuer": "i", "audiences": ["a"]})],
        GET,
        TOKEN | {"aud": "https://a/"},
        200,
    ),
    "a wrong one is forbidden": ([tokens({"issuer": "i", "audiences": ["a"]})], GET, TOKEN | {"aud": "b"}, 403),
    "any rule of the issuer will do": (
        [tokens({"issuer": "i", "audiences": ["a"]}, {"issuer": "i", "audiences": ["b"]})],
        GET,
        TOKEN | {"aud": "b"},
        200,
    ),
    "scope is split": (claim("[scope]", "read"), GET, TOKEN | {"scope": " read  write"}, 200),
    "at spaces only": (claim("[scope]", "read"), GET, TOKEN | {"scope": "read\twrite"}, 403),
    "other claims are not split": (claim("[roles]", "read"), GET, TOKEN | {"roles": "read write"}, 403),
    "unless told to": (
        [
            tokens({"issuer": "i", "spaceDelimitedClaims": ["roles"]}),
            allow(when("request.auth.claims[roles]", "read")),
        ],
        GET,
        TOKEN | {"roles": "read write"},
        200,
    ),
    "a number is no text": (claim("[n]", "7", "*"), GET, TOKEN | {"n": 7}, 403),
    "a list in a list is not looked into": (claim("[a]", "x"), GET, TOKEN | {"a": [["x"]]}, 403),
    "a dot in a name is part of it": (claim("[a.b]", "x"), GET, TOKEN | {"a": {"b": "x"}}, 403),
    "and a space may be": (claim("[a b]", "x"), GET, TOKEN | {"a b": "x"}, 200),
}


def engine(name):
    return build(resources.from_objects(ROWS[name][0])).engine


@pytest.fixture(scope="module")
def oracle():
    with Oracle([Site(f"site-{number}", engine(name), WEB, 80) for number, name in enumerate(ROWS)]) as running:
        yield running


def row(name):
    """Request, token and code, with the token's times as of now."""
    _, asked, token, code = ROWS[name]
    return asked, token(int(time.time())) if callable(token) else token, str(code)


@pytest.mark.parametrize("name", ROWS)
def test_the_evaluator_comes_to_it(name):
    asked, token, code = row(name)
    assert engine(name).decide(WEB, asked, token, now=time.time()).code == code


@pytest.mark.parametrize("name", ROWS)
def test_a_real_envoy_comes_to_it(name, oracle):
    asked, token, code = row(name)
    assert oracle.ask(f"site-{list(ROWS).index(name)}", asked, token) == code
