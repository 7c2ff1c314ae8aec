"""Carries out a plan: re-judge, apply, wait, hold the lease, journal, resume, undo."""
