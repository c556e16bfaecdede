"""Roofwise's engine: specs in, closed forms and numbers out. It never prints and knows no rules."""
