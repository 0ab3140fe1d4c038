"""Road network, demand and the traffic simulator SUMO."""
