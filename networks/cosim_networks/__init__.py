"""Road networks as plug-ins; see networks/README.md."""
