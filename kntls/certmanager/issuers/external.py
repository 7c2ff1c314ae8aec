"""Issuers of other API groups: cert-manager itself never looks at them."""

from kntls.certmanager.issuers.kind import Answer, IssuerKind

KIND = IssuerKind(
    "external",
    "",
    internal_names=Answer.PROBE,
    public_names=Answer.PROBE,
    rotatable=False,
    reason="its CA is rotated where it lives; kntls can distribute trust, re-issue and verify",
)
