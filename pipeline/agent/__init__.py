"""``mistok alerts`` on a person's own PC: follows the server's stream, shows popups, reports what became of them."""
