"""Who may use the service and how much: API keys, their limits, and what each key has used."""
