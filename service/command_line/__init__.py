"""The subcommand `earmark localize`: its arguments and its output formats."""
