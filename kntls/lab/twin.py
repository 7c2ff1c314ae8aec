"""A rehearsal twin: a lab with the issuers, leaves, bundles and services of a real cluster, under fresh keys.

The input is what `kubectl get … -o yaml` or a must-gather holds. Private keys in it are dropped as it is read: they are
used for nothing and copied nowhere. Every CA that signs something gets a fresh one with the same subject, dates and
kind of key; a bundle's other CAs stay as they are.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kntls.errors import InputError
from kntls.lab import x509 as pki
from kntls.lab.layouts import tables
from kntls.lab.layouts.worlds import AUTOSCALER, Layout, knative_serving, named, with_config
from kntls.lab.objects import Object, clone, meta, name_of, namespace_of
from kntls.lab.reading import annotations_of, data_of, encoded, labels_of

SUFFIXES = (".yaml", ".yml", ".json")
PRIVATE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----\n?|$)", re.S)
BUNDLE_LABEL = "networking.knative.dev/trust-bundle"
SYSTEM = ("default", "kube-system", "kube-public", "kube-node-lease")
CONFIGS = ("network", "certmanager", "autoscaler", "domain")
CERT_MANAGER, SERVING, NETWORKING = "cert-manager.io", "serving.knative.dev", "networking.internal.knative.dev"
KEPT: dict[str, tuple[str, ...]] = {
    "": ("Namespace", "Secret", "ConfigMap"),
    "apps": ("Deployment",),
    CERT_MANAGER: ("ClusterIssuer", "Issuer", "Certificate"),
    SERVING: ("Service", "Configuration", "Route", "Revision"),
    NETWORKING: ("Certificate",),
    "operator.knative.dev": ("KnativeServing",),
}
"""API group → the kinds a twin is made of; everything else in the input is skipped."""


@dataclass
class Gathered:
    """The objects a twin is made of, already without any private key."""

    objects: list[Object] = field(default_factory=list)
    private_keys: int = 0
    """How many private keys were found, and dropped."""
    skipped: int = 0
    """How many objects are of no use for a twin."""

    def notes(self) -> list[str]:
        """What to tell about the input, one line each."""
        out = [f"twin: {len(self.objects)} objects read, {self.skipped} others skipped"]
        if self.private_keys:
            word = "key" if self.private_keys == 1 else "keys"
            out.append(f"twin: {self.private_keys} private {word} in the input: used for nothing, not copied")
        return out


# ---------------------------------------------------------------------- reading


def gather(source: str) -> Gathered:
    """Read a file, a directory of files, or standard input (`-`).

    Raises:
        InputError: it cannot be read, or holds no Kubernetes object that a twin could use.
    """
    found = Gathered()
    for where, text in _texts(source):
        for document in _documents(where, text):
            for obj in _items(document):
                _take(obj, found)
    if not found.objects:
        fix = "kubectl get ns,secret,cm,deploy,clusterissuer,certificate,kcert,ksvc,route -A -o yaml"
        raise InputError("holds nothing a twin can be made of", where=source, fix=fix)
    return found


def _texts(source: str) -> Iterator[tuple[str, str]]:
    if source == "-":
        yield "standard input", sys.stdin.read()
        return
    root = Path(source)
    if root.is_dir():
        paths = sorted(path for path in root.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    else:
        paths = [root]
    for path in paths:
        try:
            yield str(path), path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise InputError(f"cannot be read: {reason}", where=str(path)) from error


def _documents(where: str, text: str) -> list[Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return list(yaml.load_all(text, loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError("is no YAML", where=f"{where}{line}") from error


def _items(document: Any) -> Iterator[Object]:
    if not isinstance(document, dict):
        return
    kind = str(document.get("kind", ""))
    if kind.endswith("List") and isinstance(document.get("items"), list):
        known = {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
        for item in document["items"]:
            yield from _items({**known, **item} if isinstance(item, dict) else item)
    elif isinstance(document.get("metadata"), dict) and document.get("kind") and document.get("apiVersion"):
        yield document


def _take(obj: Object, found: Gathered) -> None:
    """Keep an object if it is of use, without private keys and without what only its own cluster knows."""
    group = str(obj["apiVersion"]).rpartition("/")[0]
    keys = _without_keys(obj) if obj["kind"] in ("Secret", "ConfigMap") else 0
    found.private_keys += keys
    wanted = obj["kind"] in KEPT.get(group, ()) and (obj["kind"] != "Secret" or _public(obj))
    if not wanted or namespace_of(obj) in SYSTEM[1:]:
        found.skipped += 1
        return
    found.objects.append(obj)


def _public(secret: Object) -> bool:
    """Whether a Secret holds certificates."""
    return bool({"tls.crt", "ca.crt"} & set(secret.get("data") or {}))


def _without_keys(obj: Object) -> int:
    """Drop every private key of a Secret or ConfigMap, and what may repeat one; returns how many there were."""
    dropped = 0
    if obj["kind"] == "Secret":
        kept = {name: value for name, value in data_of(obj).items() if name in ("tls.crt", "ca.crt")}
        texts = [value.decode("latin-1") for value in data_of(obj).values()] + list(
            (obj.get("stringData") or {}).values()
        )
        dropped = sum("PRIVATE KEY-----" in text for text in texts)
        clean = {name: PRIVATE.sub("", value.decode("latin-1")).encode("latin-1") for name, value in kept.items()}
        obj["data"] = encoded(clean)
        obj.pop("stringData", None)
    else:
        data = obj.get("data") or {}
        dropped = sum("PRIVATE KEY-----" in str(value) for value in data.values())
        obj["data"] = {name: PRIVATE.sub("", str(value)) for name, value in data.items()}
    annotations = meta(obj).get("annotations") or {}
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return dropped


# ---------------------------------------------------------------------- fresh CAs


def _like(certificate: x509.Certificate) -> pki.Key:
    """A fresh key of the same kind."""
    public = certificate.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        return pki.new_key("ECDSA", public.key_size)
    if isinstance(public, ed25519.Ed25519PublicKey):
        return pki.new_key("Ed25519")
    size = public.key_size if isinstance(public, rsa.RSAPublicKey) else 2048
    return pki.new_key("RSA", size)


class Authorities:
    """The input's CAs that sign something, each with its fresh counterpart."""

    def __init__(self, originals: Iterable[x509.Certificate]) -> None:
        self.originals = list(dict.fromkeys(originals))
        self._keys: dict[bytes, pki.Key] = {}
        self._fresh: dict[x509.Certificate, x509.Certificate] = {}

    def key(self, original: x509.Certificate) -> pki.Key:
        """The fresh key; certificates of one old key share one new one."""
        return self._keys.setdefault(pki.public_bytes(original), _like(original))

    def fresh(self, original: x509.Certificate) -> x509.Certificate:
        """The counterpart: same subject, dates and place in the chain."""
        if original not in self._fresh:
            parent = self.signer(original)
            self._fresh[original] = self.resign(original, self.key(original), None if parent is original else parent)
        return self._fresh[original]

    def signer(self, child: x509.Certificate) -> x509.Certificate | None:
        """The original that signed a certificate, itself first."""
        return next((one for one in [child, *self.originals] if pki.signed_by(child, one)), None)

    def resign(self, original: x509.Certificate, key: pki.Key, parent: x509.Certificate | None) -> x509.Certificate:
        """The same certificate for a fresh key, signed by the counterpart of its signer (or by itself)."""
        start, end = original.not_valid_before_utc, original.not_valid_after_utc
        template = pki.Template(end - start, pki.is_ca(original), _usages(original))
        request = pki.request_like(original, key)
        if parent is None:
            return pki.sign(request, template, start, key, None)
        return pki.sign(request, template, start, self.key(parent), self.fresh(parent))

    def replaced(self, text: bytes) -> bytes:
        """A PEM text with every CA that has a counterpart replaced, all else as it was."""
        out = text
        for original in self.originals:
            out = out.replace(pki.pem(original).strip(), pki.pem(self.fresh(original)).strip())
        return out


def _usages(certificate: x509.Certificate) -> tuple[str, ...]:
    names = {
        "digital_signature": "digital signature",
        "content_commitment": "content commitment",
        "key_encipherment": "key encipherment",
        "data_encipherment": "data encipherment",
        "key_agreement": "key agreement",
        "key_cert_sign": "cert sign",
        "crl_sign": "crl sign",
    }
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(text for name, text in names.items() if getattr(usage, name))


def _certificates(secret: Object, *names: str) -> list[x509.Certificate]:
    out: list[x509.Certificate] = []
    for name in names or ("tls.crt", "ca.crt"):
        try:
            out += pki.load_chain(data_of(secret)[name])
        except (KeyError, pki.BadMaterial):
            continue
    return out


# ---------------------------------------------------------------------- the twin


@dataclass(frozen=True)
class Twin:
    """What a world needs to become the twin."""

    layout: Layout
    objects: list[Object]
    uids: dict[tuple[str, str, str], str]
    """(kind's API group and kind, namespace, name) → the UID it had, since names of route certificates hold UIDs."""


def build(objects: list[Object]) -> Twin:
    """Make the twin of gathered objects."""
    layout = _layout(objects)
    secrets = [one for one in objects if one["kind"] == "Secret"]
    secrets += _lost_authorities(objects, secrets)
    authorities = Authorities(_signing(objects, secrets))
    installed = _installation(objects, layout)
    made = [
        *(one for one in installed if one["kind"] == "Namespace"),
        *_namespaces(objects, layout),
        *(_secret(one, authorities) for one in secrets if _usable(one)),
        *_bundles(objects, authorities),
        *(_plain(one) for one in _of(objects, CERT_MANAGER, "ClusterIssuer", "Issuer")),
        *_missing_authorities(objects, secrets),
        *(_plain(one) for one in _of(objects, CERT_MANAGER, "Certificate") if not _owned_by_knative(one)),
        *(one for one in installed if one["kind"] != "Namespace"),
        *(_service(one) for one in _of(objects, SERVING, "Service")),
    ]
    return Twin(layout, made, _uids(objects))


def _of(objects: list[Object], group: str, *kinds: str) -> list[Object]:
    return [one for one in objects if one["kind"] in kinds and str(one["apiVersion"]).rpartition("/")[0] == group]


def _layout(objects: list[Object]) -> Layout:
    if not _of(objects, "operator.knative.dev", "KnativeServing"):
        return named("upstream")
    homes = {namespace_of(one) for one in objects if name_of(one) == "net-kourier-controller"}
    return named("openshift" if any(home.endswith("-ingress") for home in homes) else "operator")


def _signing(objects: list[Object], secrets: list[Object]) -> list[x509.Certificate]:
    """Every CA of an issuer's Secret, and every CA in the input that signed a leaf in it."""
    named_by_issuers = {
        one["spec"]["ca"]["secretName"]
        for one in _of(objects, CERT_MANAGER, "ClusterIssuer", "Issuer")
        if (one.get("spec") or {}).get("ca")
    }
    candidates = [one for secret in secrets for one in _certificates(secret) if pki.is_ca(one)]
    leaves = [one for secret in secrets for one in _certificates(secret, "tls.crt")[:1]]
    signers = [
        one for one in dict.fromkeys(candidates) if any(leaf != one and pki.signed_by(leaf, one) for leaf in leaves)
    ]
    held = [one for secret in secrets if name_of(secret) in named_by_issuers for one in _certificates(secret)]
    return [*held, *signers]


def _usable(secret: Object) -> bool:
    return bool(_certificates(secret, "tls.crt"))


def _secret(secret: Object, authorities: Authorities) -> Object:
    """A TLS Secret with a fresh key: a CA's counterpart, or the same leaf signed by its signer's counterpart."""
    first = _certificates(secret, "tls.crt")[0]
    data = data_of(secret)
    if first in authorities.originals:
        key, chain = authorities.key(first), authorities.replaced(data["tls.crt"])
    else:
        key = _like(first)
        parent = authorities.signer(first)
        leaf = authorities.resign(first, key, None if parent is first else parent)
        rest = data["tls.crt"].split(b"-----END CERTIFICATE-----", 1)[1].lstrip()
        chain = pki.pem(leaf) + authorities.replaced(rest)
    fresh = {"tls.crt": chain, "tls.key": pki.key_pem(key)}
    if data.get("ca.crt"):
        fresh["ca.crt"] = authorities.replaced(data["ca.crt"])
    return {**_plain(secret), "data": encoded(fresh), "type": secret.get("type") or "kubernetes.io/tls"}


def _bundles(objects: list[Object], authorities: Authorities) -> list[Object]:
    out = []
    for one in _of(objects, "", "ConfigMap"):
        if BUNDLE_LABEL in labels_of(one):
            data = {
                key: authorities.replaced(value.encode()).decode() for key, value in (one.get("data") or {}).items()
            }
            out.append({**_plain(one), "data": data})
    return out


def _lost_authorities(objects: list[Object], secrets: list[Object]) -> list[Object]:
    """Secrets of CA issuers that are not in the input (a must-gather has none), where a bundle shows the CA in them."""
    have = {name_of(one) for one in secrets if _usable(one)}
    makers = {one["spec"].get("secretName"): one for one in _of(objects, CERT_MANAGER, "Certificate")}
    shown = list(dict.fromkeys(_bundled(objects)))
    out = []
    for name in dict.fromkeys(_issuers_secrets(objects)):
        maker = makers.get(name)
        common_name = maker["spec"].get("commonName") if maker else None
        fitting = [one for one in shown if maker is None or pki.common_name(one) == common_name]
        if name not in have and len(fitting) == 1:
            out.append(_shown(name, fitting[0], maker, _home(objects)))
    return out


def _bundled(objects: list[Object]) -> Iterator[x509.Certificate]:
    """The CAs in trust bundles."""
    for one in _of(objects, "", "ConfigMap"):
        for text in (one.get("data") or {}).values() if BUNDLE_LABEL in labels_of(one) else ():
            try:
                yield from filter(pki.is_ca, pki.load_chain(text.encode()))
            except pki.BadMaterial:
                continue


def _issuers_secrets(objects: list[Object]) -> Iterator[str]:
    for issuer in _of(objects, CERT_MANAGER, "ClusterIssuer"):
        if name := ((issuer.get("spec") or {}).get("ca") or {}).get("secretName"):
            yield name


def _shown(name: str, authority: x509.Certificate, maker: Object | None, home: str) -> Object:
    """The Secret that a CA came from, as cert-manager writes it; without its key, as every gathered one."""
    annotations = {}
    if maker is not None:
        reference = maker["spec"].get("issuerRef") or {}
        annotations = {
            "cert-manager.io/certificate-name": name_of(maker),
            "cert-manager.io/common-name": pki.common_name(authority),
            "cert-manager.io/issuer-name": reference.get("name", ""),
            "cert-manager.io/issuer-kind": reference.get("kind", "Issuer"),
            "cert-manager.io/issuer-group": reference.get("group", CERT_MANAGER),
        }
    metadata = {"name": name, "namespace": home, "annotations": annotations}
    data = dict.fromkeys(("tls.crt", "ca.crt"), pki.pem(authority))
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded(data)}


def _missing_authorities(objects: list[Object], secrets: list[Object]) -> list[Object]:
    """For CA issuers whose Secret is not in the input: the Secret's root, made anew under the name it likely had."""
    have = {name_of(one) for one in secrets if _usable(one)}
    home = _home(objects)
    makers = {one["spec"].get("secretName"): one for one in _of(objects, CERT_MANAGER, "Certificate")}
    return [_root(name, home) for name in _issuers_secrets(objects) if name not in have and name not in makers]


def _root(name: str, home: str) -> Object:
    key = pki.new_key("ECDSA")
    template = pki.Template(timedelta(days=3650), is_ca=True, usages=("cert sign", "crl sign", "digital signature"))
    request = pki.load_request(pki.make_request(pki.Names(name), template, key))
    text = pki.pem(pki.sign(request, template, datetime.now(UTC), key, None))
    data = encoded({"tls.crt": text, "tls.key": pki.key_pem(key), "ca.crt": text})
    metadata = {"name": name, "namespace": home, "labels": {"controller.cert-manager.io/fao": "true"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data, "type": "kubernetes.io/tls"}


def _home(objects: list[Object]) -> str:
    """Where cert-manager runs."""
    found = (one for one in _of(objects, "apps", "Deployment") if "cert-manager-controller" in json.dumps(one))
    return next((namespace_of(one) for one in found), "cert-manager")


def _installation(objects: list[Object], layout: Layout) -> list[Object]:
    """The layout's objects with the input's configuration and versions."""
    installed = layout.objects()
    configs = {name: _config(objects, f"config-{name}") for name in CONFIGS}
    configs["autoscaler"] = {**AUTOSCALER, **configs["autoscaler"]}
    configs["network"] = {**configs["network"], "ingress-class": tables.KOURIER_CLASS}
    installed = with_config(installed, configs)
    given = next(iter(_of(objects, "operator.knative.dev", "KnativeServing")), None)
    if given is not None:
        wanted = knative_serving(layout)
        wanted["spec"] = {
            **wanted["spec"],
            **{k: given["spec"][k] for k in ("config", "version") if k in given["spec"]},
        }
        installed = [wanted if one["kind"] == "KnativeServing" else one for one in installed]
    return [_versioned(one, _versions(objects)) for one in installed]


def _config(objects: list[Object], name: str) -> dict[str, str]:
    found = next((one for one in _of(objects, "", "ConfigMap") if name_of(one) == name), None)
    return {k: v for k, v in ((found or {}).get("data") or {}).items() if k != "_example"}


def _versions(objects: list[Object]) -> dict[str, str]:
    """The lab's version of a component → the input's."""
    known = {
        "cert-manager": tables.CERT_MANAGER_VERSION,
        "controller": tables.SERVING_VERSION,
        "net-kourier-controller": tables.KOURIER_VERSION,
    }
    out = {}
    for one in _of(objects, "apps", "Deployment"):
        found = labels_of(one).get("app.kubernetes.io/version")
        if name_of(one) in known and found:
            out[known[name_of(one)]] = found
    return out


def _versioned(obj: Object, versions: Mapping[str, str]) -> Object:
    """An object with its version labels and image tags changed."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(child) for key, child in value.items()}
        if isinstance(value, list):
            return [walk(child) for child in value]
        if isinstance(value, str):
            for old, new in versions.items():
                if value == old or value.endswith(f":v{old}") or value.endswith(f":{old}"):
                    return value[: len(value) - len(old)] + new
        return value

    walked: Object = walk(obj)
    return walked


def _namespaces(objects: list[Object], layout: Layout) -> list[Object]:
    """Every namespace of the input, also those only named by their objects."""
    known = {name_of(one) for one in layout.objects() if one["kind"] == "Namespace"} | set(SYSTEM)
    given = {name_of(one): one for one in _of(objects, "", "Namespace")}
    needed = {namespace_of(one) for one in objects if one["kind"] not in ("Deployment", "KnativeServing")} - {""}
    return [
        tables.namespace(name, labels_of(given.get(name, {})))
        for name in sorted(needed | set(given))
        if name not in known
    ]


def _plain(obj: Object) -> Object:
    """An object without what only its own cluster knows."""
    metadata = {"name": name_of(obj), "labels": labels_of(obj)}
    kept = {k: v for k, v in annotations_of(obj).items() if not k.startswith("kubectl.kubernetes.io/")}
    metadata |= {"annotations": kept} if kept else {}
    metadata |= {"namespace": namespace_of(obj)} if namespace_of(obj) else {}
    out = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    return {**out, **({"spec": clone(obj["spec"])} if "spec" in obj else {})}


def _owned_by_knative(certificate: Object) -> bool:
    owners = meta(certificate).get("ownerReferences") or []
    return any(str(one.get("apiVersion", "")).startswith(NETWORKING) for one in owners)


def _service(service: Object) -> Object:
    """A Knative Service with its scaling and its ports; nothing of what its containers are given."""
    spec = service.get("spec") or {}
    template = spec.get("template") or {}
    containers = ((template.get("spec") or {}).get("containers") or [{}])[:1]
    kept = [{k: one[k] for k in ("image", "ports") if k in one} for one in containers]
    scaling = {k: v for k, v in annotations_of(template).items() if k.startswith("autoscaling.knative.dev/")}
    metadata = {"annotations": scaling} if scaling else {}
    plain = _plain(service)
    visibility = "networking.knative.dev/visibility"
    plain["metadata"]["labels"] = {k: v for k, v in labels_of(service).items() if k == visibility}
    plain["metadata"].pop("annotations", None)
    return {**plain, "spec": {"template": {"metadata": metadata, "spec": {"containers": kept}}}}


def _uids(objects: list[Object]) -> dict[tuple[str, str, str], str]:
    out = {}
    for one in objects:
        group = str(one["apiVersion"]).rpartition("/")[0]
        if meta(one).get("uid") and group in (SERVING, NETWORKING, CERT_MANAGER, ""):
            out[f"{one['kind']}.{group}", namespace_of(one), name_of(one)] = str(meta(one)["uid"])
    return out


# ---------------------------------------------------------------------- between processes


def store(found: Gathered, path: Path) -> None:
    """Leave the gathered objects for the lab's own process; there is no private key among them."""
    from kntls.lab.embedded import write_private

    write_private(path, json.dumps(found.objects))


def load(path: Path) -> Twin:
    """The twin of objects left by `store`, which are gone afterwards.

    Raises:
        InputError: the file is not there or unreadable.
    """
    try:
        text = path.read_text()
        path.unlink()
        return build(json.loads(text))
    except (OSError, ValueError) as error:
        raise InputError("cannot be read", where=str(path)) from error
