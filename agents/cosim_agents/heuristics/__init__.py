"""Recommenders that need no learning."""
