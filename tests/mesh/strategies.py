"""Random policies and requests from one small vocabulary, so that they meet often."""

from hypothesis import strategies as st

from kntls.mesh.authz import Mesh, Normalization, Request

NAMESPACES = ["a", "ab", "b"]
ACCOUNTS = ["x", "x-1", "y"]
HOSTS = ["web.a", "web.a.svc.cluster.local", "WEB.a", "web.a:8080", "api.example.com"]
PATHS = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/A",
    "/a//b",
    "/a/../b",
    "/a%2fb",
    "/%61/b",
    "/a/b?x=/c",
    "/b;v=1",
    "/a/.b",
    "/a/*/c",
    "/a/b|c",
]
METHODS = ["GET", "POST", "DELETE", "OPTIONS"]
PORTS = [80, 8012, 9000]
HEADERS = {"x-tenant": ["a", "ab", ""], "X-Other": ["b", "1"]}
ISSUERS = ["https://issuer.example.com/realm", "issuer-a"]
ADDRESSES = ["10.1.2.3", "10.1.9.9", "192.0.2.7"]
LOCAL = ["127.0.0.1", "127.0.1.2"]
SERVER_NAMES = ["outbound_.80_._.web.a.svc.cluster.local", "api.example.com"]
DOMAINS = ["cluster.local", "old.example.org"]
WORKLOAD_LABELS = {"app": "web", "version": "v1"}


def some(values, least=1, most=2):
    return st.lists(st.sampled_from(values), min_size=least, max_size=most, unique=True)


def wildcards(values):
    """Each value exact, as prefix, as suffix, and the lone star."""
    return ["*", *(form for value in values for form in (value, value[:-1] + "*", "*" + value[1:]) if form != "*")]


PRINCIPALS = [f"{domain}/ns/{ns}/sa/x" for domain in (*DOMAINS, "foreign") for ns in NAMESPACES]
SOURCE = {
    "principals": [*wildcards(PRINCIPALS), "*/ns/a/sa/x", "sa/x"],
    "namespaces": ["a", "ab", "b", "a*", "*b", "*", "a*b"],
    "trustDomains": ["cluster.local", "old.example.org", "*.local", "old*", "*"],
    "requestPrincipals": [
        "*",
        *(f"{iss}/{sub}" for iss in ISSUERS for sub in ("me", "*", "m*")),
        "*/me",
        "issuer-a",
        "*e",
    ],
    "ipBlocks": ["127.0.0.1", "127.0.1.0/24", "127.0.0.0/8", "10.0.0.0/8"],
    "remoteIpBlocks": ["10.1.2.3", "10.1.0.0/16", "0.0.0.0/0", "192.0.2.0/24", "2001:db8::/32"],
}
ACCOUNT_VALUES = ["x", "a/x", "b/x", "a/x-1", "y"]
OPERATION = {
    "hosts": [*wildcards(["web.a", "api.example.com"]), "*.svc.cluster.local", "web.a:8080"],
    "methods": [*wildcards(["GET", "POST"]), "get"],
    "paths": [*wildcards(["/a", "/a/b", "/b"]), "/a/{*}", "/{**}/b", "/a/{**}", "/{*}/b", "/a/{*}/c"],
    "ports": ["80", "8012", "9000"],
}
WHEN = {
    "request.headers[X-Tenant]": wildcards(["a", "ab"]),
    "request.headers[x-other]": [*wildcards(["b1"]), "b", "1"],
    "request.headers[:method]": ["GET"],
    "request.headers[:path]": ["/a/b?x=/c", "/a*", "*"],
    "request.headers[host]": ["web.a", "*.a", "*"],
    "source.ip": SOURCE["ipBlocks"],
    "remote.ip": SOURCE["remoteIpBlocks"],
    "source.namespace": SOURCE["namespaces"],
    "source.principal": SOURCE["principals"],
    "source.trustDomain": SOURCE["trustDomains"],
    "source.serviceAccount": ACCOUNT_VALUES,
    "request.auth.principal": SOURCE["requestPrincipals"],
    "request.auth.audiences": wildcards(["aud-1", "aud-2"]),
    "request.auth.presenter": wildcards(["azp-1"]),
    "request.auth.claims[groups]": wildcards(["admin", "dev"]),
    "request.auth.claims[scope]": [*wildcards(["read", "write"]), "read write"],
    "request.auth.claims[nested][key]": wildcards(["value"]),
    "request.auth.claims[number]": ["7", "*"],
    "destination.ip": ["10.1.2.3", "10.1.0.0/16", "0.0.0.0/0"],
    "destination.port": OPERATION["ports"],
    "connection.sni": [*wildcards(SERVER_NAMES)],
    "experimental.envoy.filters.some.filter[key]": ["value", "[value]", "*"],
}


def negated(name):
    return f"not{name[0].upper()}{name[1:]}"


def selection(vocabulary):
    """A source or an operation with one or two fields, each plain or negated."""
    names = st.lists(st.sampled_from(sorted(vocabulary)), min_size=1, max_size=2, unique=True)
    return names.flatmap(lambda chosen: st.tuples(*(field(name, vocabulary[name]) for name in chosen))).map(dict)


def field(name, values):
    key = st.sampled_from([name, name, negated(name)])
    return st.tuples(key, some(values))


def by_account():
    return st.tuples(st.sampled_from(["serviceAccounts", "notServiceAccounts"]), some(ACCOUNT_VALUES)).map(
        lambda p: dict([p])
    )


@st.composite
def condition(draw):
    key = draw(st.sampled_from(sorted(WHEN)))
    name = draw(st.sampled_from(["values", "values", "notValues"]))
    return {"key": key, name: draw(some(WHEN[key]))}


@st.composite
def rule(draw):
    found = {}
    if draw(st.booleans()):
        sources = draw(st.lists(st.one_of(selection(SOURCE), selection(SOURCE), by_account()), min_size=1, max_size=2))
        found["from"] = [{"source": source} for source in sources]
    if draw(st.booleans()):
        operations = draw(st.lists(selection(OPERATION), min_size=1, max_size=2))
        found["to"] = [{"operation": operation} for operation in operations]
    if draw(st.integers(0, 2)) == 0:
        found["when"] = draw(st.lists(condition(), min_size=1, max_size=2))
    return found


@st.composite
def authorization_policy(draw, index):
    action = draw(st.sampled_from(["ALLOW", "ALLOW", "DENY", "AUDIT"]))
    spec = {"action": action, "rules": draw(st.lists(rule(), min_size=0 if action == "ALLOW" else 1, max_size=3))}
    if draw(st.booleans()):
        spec["selector"] = {"matchLabels": draw(st.sampled_from([{"app": "web"}, {"version": "v1"}, {"app": "other"}]))}
    metadata = {"name": f"policy-{index}", "namespace": draw(st.sampled_from(["a", "a", "istio-system", "b"]))}
    if action != "AUDIT" and draw(st.integers(0, 5)) == 0:
        metadata["annotations"] = {"istio.io/dry-run": draw(st.sampled_from(["true", "1", "false"]))}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def peer_authentication(mode):
    metadata = {"name": "default", "namespace": "a"}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": metadata,
        "spec": {"mtls": {"mode": mode}},
    }


@st.composite
def request_authentication(draw):
    rules = [{"issuer": issuer, "audiences": draw(some(["aud-1", "aud-2"], 0))} for issuer in draw(some(ISSUERS))]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "tokens", "namespace": "a"},
        "spec": {"jwtRules": rules},
    }


@st.composite
def objects(draw):
    """The security resources of one mesh."""
    found = [draw(authorization_policy(index)) for index in range(draw(st.integers(1, 3)))]
    found.append(peer_authentication(draw(st.sampled_from(["PERMISSIVE", "STRICT", "UNSET"]))))
    if draw(st.booleans()):
        found.append(draw(request_authentication()))
    return found


def meshes():
    return st.builds(
        Mesh,
        aliases=st.sampled_from([(), ("old.example.org",)]),
        normalization=st.sampled_from(list(Normalization)),
    )


@st.composite
def tokens(draw):
    if draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from([None, "not-a-token"]))
    claims = {"iss": draw(st.sampled_from(ISSUERS)), "sub": draw(st.sampled_from(["me", "you", ""]))}
    optional = {
        "aud": st.one_of(st.sampled_from(["aud-1", "aud-2"]), some(["aud-1", "aud-2", "aud-3"])),
        "azp": st.sampled_from(["azp-1", "azp-2"]),
        "groups": st.one_of(st.just("admin"), some(["admin", "dev"])),
        "scope": st.sampled_from(["read write", "write", ["read write"]]),
        "nested": st.sampled_from([{"key": "value"}, {"key": ["value"]}, "value"]),
        "number": st.just(7),
        "exp": st.sampled_from([0, 1, 4_000_000_000, "soon"]),
        "jti": st.sampled_from(["1", 1]),
    }
    return claims | {name: draw(value) for name, value in optional.items() if draw(st.booleans())}


@st.composite
def peers(draw):
    domain = draw(st.sampled_from(["cluster.local", "cluster.local", *DOMAINS]))
    identity = f"spiffe://{domain}/ns/{draw(st.sampled_from(NAMESPACES))}/sa/{draw(st.sampled_from(ACCOUNTS))}"
    return draw(st.sampled_from([identity, identity, identity, None]))


@st.composite
def requests(draw, tcp):
    peer = draw(peers())
    headers = {name.lower(): draw(st.sampled_from(values)) for name, values in HEADERS.items() if draw(st.booleans())}
    return Request(
        draw(st.sampled_from(PORTS)),
        tcp,
        peer,
        draw(st.sampled_from(METHODS)),
        draw(st.sampled_from(PATHS)),
        draw(st.sampled_from(HOSTS)),
        headers,
        source_ip=draw(st.sampled_from(LOCAL)),
        remote_ip=draw(st.sampled_from(ADDRESSES)),
        destination_ip=draw(st.sampled_from(ADDRESSES)),
        sni=draw(st.sampled_from(["", *SERVER_NAMES])) if peer else "",
    )
