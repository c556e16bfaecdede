"""Design-space search: hypothetical chips by the million, and the best of them that meets a request."""
