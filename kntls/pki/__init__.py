"""X.509 only: certificates, keys, bundles, chains, SAN sets, lint and CA creation."""
