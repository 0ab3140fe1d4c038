"""The station scenario of the OCEAN paper: 25 piles by the road, quarter hours from 05:00."""

from __future__ import annotations

from pathlib import Path

STATION = Path(__file__).parent / "ocean-station.toml"
