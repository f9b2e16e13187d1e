"""Caches of embeddings: in this process's memory, and in a Redis that several processes share."""
