"""The tables of a scenario file, each with its keys, units and limits."""
