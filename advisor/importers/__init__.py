"""Importers: models that users have, turned into workload specs."""
