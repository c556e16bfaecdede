"""Importers: from a model that somebody has to a workload spec."""
