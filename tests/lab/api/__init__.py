"""The API server of the lab."""
