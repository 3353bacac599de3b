"""What a card says: what happened, where, who mends it, and a letter to that person."""
