"""Recorded answers of a real API server, and how they are compared."""
