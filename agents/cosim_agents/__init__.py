"""Agents as plug-ins; see agents/README.md."""
