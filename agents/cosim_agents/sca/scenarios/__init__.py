"""The station scenarios of the SCA and CALC paper: charging at home, at work and in public."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent

HOME = _FOLDER / "home.toml"
WORK = _FOLDER / "work.toml"
PUBLIC = _FOLDER / "public.toml"
