"""`spec.ca`: signs anything with a CA in a Secret (cert-manager `pkg/controller/certificaterequests/ca`)."""

from kntls.certmanager.issuers.kind import Answer, IssuerKind

KIND = IssuerKind("CA", "ca", internal_names=Answer.YES, public_names=Answer.YES, rotatable=True)
