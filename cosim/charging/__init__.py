"""Charging stations: chargers and queue, batteries, the voltage droop controller."""
