"""Peers: other people's systems, run on the same files in the same run, with their own settings."""
