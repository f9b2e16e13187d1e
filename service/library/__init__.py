"""Recordings that are indexed for search: store, moments, search."""
