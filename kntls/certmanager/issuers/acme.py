"""`spec.acme`: proves control of public names; names inside a cluster cannot be proven."""

from kntls.certmanager.issuers.kind import Answer, IssuerKind

KIND = IssuerKind(
    "ACME",
    "acme",
    internal_names=Answer.NO,
    public_names=Answer.YES,
    rotatable=False,
    reason="ACME cannot prove names that exist only inside the cluster; use a CA issuer",
)
