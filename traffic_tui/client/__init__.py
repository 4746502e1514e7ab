"""The seam to a coordinator: the same calls whether it lives in this process or elsewhere."""
