"""Everything that touches Ray, Beam or storage: engines, datasets, manifests, progress, reports."""
