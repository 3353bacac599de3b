"""What people are shown of a client, as plain rows and words: the command line and the page tell the same."""
