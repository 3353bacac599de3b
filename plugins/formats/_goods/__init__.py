"""Catalogue files of any shape, read by a mapping of the config: products with variants, prices, stock, categories."""
