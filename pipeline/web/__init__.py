"""The page for people: FastAPI over the engine. Only the command line starts it, in a process of its own."""
