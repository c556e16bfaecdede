"""The commands, one module for each; `advisor.cli` puts them together."""
