"""Roofwise's advisor: requirements, rules, recommendation, reports and the `advise` command."""
