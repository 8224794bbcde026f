"""Built-in cases: one folder each, with its tables and the source of its numbers."""
