"""Declared formats: what a file says is mapped onto the order model by paths in the YAML, without any code.

``rule`` and ``fields`` are the settings, ``check`` finds their mistakes, ``record`` is how a file is looked into,
``assemble`` makes orders of records; the readers of XML, CSV and JSON lie beside them.
"""
