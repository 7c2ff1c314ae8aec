"""The values everything speaks in: references, observations, findings, actions, plans."""
