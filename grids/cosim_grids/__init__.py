"""The feeders that are shipped: one subpackage each, with its tables, their origin and ``build()``."""
