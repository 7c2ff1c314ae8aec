"""Health rules: one small entry each, with ID, category, severity, hint and fix."""
