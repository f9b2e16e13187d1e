"""The HTTP layer: routes, forms and schemas, problems, admission control, metrics and middleware."""
