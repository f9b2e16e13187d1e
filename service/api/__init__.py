"""HTTP, and nothing else: routes, what is on the wire, problems, limits and middleware."""
