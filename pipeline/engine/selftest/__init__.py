"""``mistok selftest``: what a client's real server does, and whether a killed run is made good on it.

Everything happens in a folder of our own on that server, and with a ledger, an archive and books that are thrown away:
the client's own ones are never opened. :func:`pipeline.engine.selftest.conduct.selftest` is the door.
"""
