"""`--set field=nan`: the sentence says that nan is the trouble, for it reads as a number."""

import pytest

import seriatim as st
from seriatim.cli._fields import replaced


@st.record
class Weather:
    """Fields of several types that take numbers."""

    wind: float = 0.4
    rain: float | None = None
    gusts: tuple[float, ...] = st.static(default=(0.1,))


@pytest.mark.parametrize(("field", "text"), [("wind", "nan"), ("rain", "NaN"), ("gusts", "0.1,-nan")])
def test_nan_is_called_no_number(field, text):
    with pytest.raises(st.InputError, match=f"--set {field}={text}: {field} of .* is .*number.*, and nan is no number"):
        replaced(Weather(), {field: text})
    with pytest.raises(st.InputError) as caught:
        replaced(Weather(), {field: "blue"})
    assert "nan" not in str(caught.value)
