"""cert-manager 1.21 as seen from outside: issuers, the steps of an issuance, webhook, with real certificates."""
