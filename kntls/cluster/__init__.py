"""The only code that talks to an API server: read, page, watch, apply, retry."""
