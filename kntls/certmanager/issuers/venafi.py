"""`spec.venafi`: what it signs is decided by the policy of its zone."""

from kntls.certmanager.issuers.kind import Answer, IssuerKind

KIND = IssuerKind(
    "Venafi",
    "venafi",
    internal_names=Answer.PROBE,
    public_names=Answer.PROBE,
    rotatable=False,
    reason="its CA is rotated in Venafi; kntls can distribute trust, re-issue and verify",
)
