"""The `kit` command line, one module per group of commands."""
