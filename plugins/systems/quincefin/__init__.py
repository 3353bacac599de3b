"""Quincefin, Ukrainian accounting in the cloud with a JSON API: so far its faithful fake only."""
