"""Replay: the inbound walk with the archive as its source. It shows first what it would do, and does it when told to.

``choose`` finds what a person means, ``look`` tells what would come of it, ``apply`` does it; ``compare`` tells what
another config would have made of what came.
"""
