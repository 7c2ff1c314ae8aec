"""`spec.vault`: what it signs is decided by the role its path names."""

from kntls.certmanager.issuers.kind import Answer, IssuerKind

KIND = IssuerKind(
    "Vault",
    "vault",
    internal_names=Answer.PROBE,
    public_names=Answer.PROBE,
    rotatable=False,
    reason="its CA is rotated in Vault; kntls can distribute trust, re-issue and verify",
)
