"""`spec.selfSigned`: every certificate is its own root, so nobody can trust the next one."""

from kntls.certmanager.issuers.kind import Answer, IssuerKind

KIND = IssuerKind(
    "SelfSigned",
    "selfSigned",
    internal_names=Answer.NO,
    public_names=Answer.NO,
    rotatable=False,
    reason="a SelfSigned issuer makes every certificate its own CA; no bundle can cover the next one",
)
