"""Turning encryption on and off, as plans."""
