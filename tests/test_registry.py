"""Plug-ins by name."""

from __future__ import annotations

import pytest

from cosim import registry
from cosim.errors import InputError


def test_every_plugin_loads_and_has_a_line_of_its_own() -> None:
    for kind in registry.KINDS:
        assert registry.names(kind)
        for name in registry.names(kind):
            assert len(registry.describe(kind, name)) > 20


def test_unknown_option_names_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        registry.instantiate("recommender", "merit-order", {"fil": 1.0}, where="a.toml: [recommender]")
    assert str(caught.value) == (
        "a.toml: [recommender]: the recommender 'merit-order' has no option 'fil'; "
        "did you mean 'fill'? allowed: 'fill'."
    )


def test_refused_option_value() -> None:
    with pytest.raises(InputError, match=r"refuses its options: fill = -1 must be greater than 0\."):
        registry.instantiate("recommender", "merit-order", {"fill": -1}, where="here")
