"""Two systems kept in step: observe, match, plan, brake, apply, record. Pure between the two ends."""
