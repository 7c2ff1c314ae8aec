"""Trust bundles in a cluster, the effective trust of each consumer, and impact."""
