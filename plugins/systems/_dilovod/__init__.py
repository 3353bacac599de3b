"""Dilovod, Ukrainian accounting in the cloud with a packet API at api.dilovod.ua: so far its faithful fake only."""
