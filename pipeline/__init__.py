"""Mistok's engine. It knows no vendor and no file format: those are plugins."""

__version__ = "0.1.0"
