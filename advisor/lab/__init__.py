"""The lab: published measurements as values, what of them counts, and the sound bound of every one."""
