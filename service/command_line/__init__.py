"""`earmark localize`: what it takes, and how it tells an answer."""
