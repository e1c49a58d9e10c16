"""What can be wrong with what a user gave; every message says what to do."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A model file is missing, unreadable or not what it should be."""


class QueryError(ValueError):
    """A sentence cannot be watched for: it is empty or too long for the model."""
