"""What all tables share: strict types, ranges, and names of plug-ins that are checked."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from cosim import registry
from cosim.errors import nearest_name

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Identifier = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s/\\]+$")]


def _same(value: Any) -> Any:
    return value


#: For what has a validator of ours: pydantic would look for its own tuple in the JSON list that it makes of ours.
AS_IT_IS = PlainSerializer(_same, return_type=Any)


def plugin_name(kind: registry.Kind) -> AfterValidator:
    """Return what refuses names that no plug-in of a kind has."""

    def check(name: str) -> str:
        if name not in registry.names(kind):
            raise ValueError(f"unknown {kind} '{name}'; {nearest_name(name, registry.names(kind))}")
        return name

    return AfterValidator(check)


def bus_name(value: object) -> int | str | None:
    """Refuse what names no bus."""
    # A union of types would report one fault for each of them.
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return value
    raise ValueError(f"found {value!r}; a bus is given by its number or its name")


class Table(BaseModel):
    """A table of the scenario file: frozen, strictly typed, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SourceTable(Table):
    """A table that names a plug-in (``name``) or a file of the user's (``file``), not both."""

    name: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> SourceTable:
        if (self.name is None) == (self.file is None):
            raise ValueError("give either name (an installed plug-in) or file (a path), one of the two")
        return self
