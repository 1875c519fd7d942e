"""Scores of a file of results: what the command ``pyposeops evaluate`` does."""
