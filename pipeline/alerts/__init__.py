"""What people are told: the notices, the outbox that keeps them, and how they are delivered after the fact."""
