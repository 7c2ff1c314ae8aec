"""How `kntls cert list` and `kntls cert verify` look, and the same as documents."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kntls.checks.verification import Verification
from kntls.report.checks import reference
from kntls.report.text import Look, Paint, until

KINDS = {"cluster-local": "local", "external-domain": "external", "queue-proxy": "queue"}
"""Kinds as a table of 80 columns calls them."""


def listing(found: Iterable[Verification], at: datetime, look: Look) -> str:
    """The table of `cert list`; a wide one has the signer and the fingerprint, too."""
    head = ["NAMESPACE", "NAME", "KIND", "EXPIRES", "ISSUER", "STATUS"]
    rows = []
    for entry in found:
        end = until(entry.expires, at) if entry.expires else "-"
        kind = entry.kind if look.wide else KINDS.get(entry.kind, entry.kind)
        row = [entry.ref.namespace, entry.ref.name, kind, end, entry.issuer, entry.status]
        if look.wide:
            row += [entry.x509.issuer, entry.x509.fingerprint] if entry.x509 else ["-", "-"]
        rows.append(row)
    return look.table([*head, "SIGNED BY", "FINGERPRINT"] if look.wide else head, rows, "ISSUER")


def _line(ok: bool | None, text: str, paint: Paint, width: int) -> list[str]:
    """A line with its sign; None for what was not looked at."""
    sign = paint("?", "cyan") if ok is None else paint("√", "green") if ok else paint("×", "red")
    first, *rest = textwrap.wrap(text, width - 4, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"  {sign} {first}", *(f"      {line}" for line in rest)]


def _rights(entry: Verification) -> dict[str, str]:
    """What each aspect says when it is right."""
    names = str(entry.x509.sans) if entry.x509 else ""
    end = entry.x509.not_after.strftime("%Y-%m-%d %H:%M UTC") if entry.x509 else ""
    return {
        "names": f"names: {names}",
        "key": "the key belongs to it",
        "time": f"valid until {end}",
        "chain": "it comes with its whole chain",
        "issuer": f"signed by the CA that {entry.issuer} signs with",
        "issuance": "",
    }


def details(found: Iterable[Verification], paint: Paint, width: int) -> str:
    """The long form of `cert verify`: one block a Certificate."""
    lines: list[str] = []
    for entry in found:
        lines.append(paint(f"{entry.ref.namespace}/{entry.ref.name}", "bold") + f"  {entry.kind}")
        rights = _rights(entry)
        for aspect, why in entry.problems.items():
            if why:
                lines += _line(False, f"{aspect}: {why}", paint, width)
            elif aspect in entry.unseen:
                lines += _line(None, f"{aspect}: {entry.unseen[aspect]}", paint, width)
            elif rights[aspect] and entry.x509 and (entry.kind not in ("CA", "other") or aspect in ("key", "time")):
                lines += _line(True, rights[aspect], paint, width)
        for verdict in entry.accepted:
            said = f"refused by {verdict.consumer}: {verdict.refusal}" if verdict.refusal else ""
            lines += _line(not verdict.refusal, said or f"accepted by {verdict.consumer}", paint, width)
        lines.append("")
    return "\n".join(lines)


def _document(entry: Verification) -> dict[str, Any]:
    cert = entry.x509
    return {
        "certificate": reference(entry.ref),
        "kind": entry.kind,
        "issuer": entry.issuer,
        "ok": entry.ok,
        "status": entry.status,
        "names": list(cert.sans.names()) if cert else [],
        "signedBy": cert.issuer if cert else "",
        "fingerprint": cert.fingerprint if cert else "",
        "notBefore": cert.not_before.strftime("%Y-%m-%dT%H:%M:%SZ") if cert else None,
        "notAfter": cert.not_after.strftime("%Y-%m-%dT%H:%M:%SZ") if cert else None,
        "problems": {aspect: why for aspect, why in entry.problems.items() if why},
        "notLookedAt": dict(entry.unseen),
        "consumers": [{"name": verdict.consumer, "refusal": verdict.refusal} for verdict in entry.accepted],
    }


def blind(found: tuple[Verification, ...]) -> bool:
    """Whether there are certificates, and none of them could be looked at."""
    return bool(found) and not any(entry.looked_at for entry in found)


def summary(found: tuple[Verification, ...]) -> str:
    """`all 11 are right`, `2 of 11 certificates are not right, 3 not looked at`."""
    bad, unseen = sum(not entry.ok for entry in found), sum(not entry.looked_at for entry in found)
    if blind(found):
        return f"none of {len(found)} certificates could be looked at"
    verdict = f"{bad} of {len(found)} certificates are not right" if bad else f"all {len(found) - unseen} are right"
    return f"{verdict}, {unseen} not looked at" if unseen else verdict


def body(found: Iterable[Verification], source: str, unread: Iterable[Any]) -> dict[str, Any]:
    """The document `CertificateReport`."""
    found = tuple(found)
    return {
        "source": source,
        "success": all(entry.ok for entry in found) and not blind(found),
        "certificates": [_document(entry) for entry in found],
        "notLookedAt": [{"what": entry.what, "reason": entry.reason} for entry in unread],
    }
