"""The parts of the JoomShopping CSV format: what PHP reads, which columns there are, how they are written, checked."""
