"""Catalogues as XML: declared elements and attributes, written piece by piece, read back by another parser."""
