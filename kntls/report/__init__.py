"""How answers look: tables, JSON with a versioned schema, diffs, progress."""
