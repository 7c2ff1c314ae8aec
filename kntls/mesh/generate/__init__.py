"""Manifests for the mesh, one small file a generator; every generator returns a `Generated`."""
