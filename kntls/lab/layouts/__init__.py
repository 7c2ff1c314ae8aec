"""The three ways a cluster may be laid out: upstream YAML, the Knative operator, OpenShift Serverless."""
