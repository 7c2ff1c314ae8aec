"""Tenant isolation measured and set beside the offline verdict: live with curl in pods, or on real Envoys."""
