"""What is handed to those who help from afar: one file that tells how it stands, without secrets and people's data."""
