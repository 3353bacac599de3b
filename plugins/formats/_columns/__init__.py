"""Columns of a catalogue: declared in the config, filled from batches. What formats make of the cells is theirs."""
