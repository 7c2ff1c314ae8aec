"""cert-manager's issuers, certificates and re-issuance, and their traps."""
