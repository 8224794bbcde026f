import pickle

import pytest

from hybridopt.errors import (
    Finding,
    HybridoptError,
    InputError,
    NoSolutionError,
    SolverUnavailableError,
)

FINDINGS = [Finding("case.toml:3 budget", "must be at least 0, found -1"), Finding("", "no source")]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError(FINDINGS), "case.toml:3 budget: must be at least 0, found -1\nno source"),
        (
            SolverUnavailableError("Ipopt's ASL library", "make setup"),
            "Ipopt's ASL library is not available; to mend it: make setup",
        ),
        (
            NoSolutionError("hour 19, bus 17: voltage short by 0.013 pu"),
            "no feasible point: hour 19, bus 17: voltage short by 0.013 pu",
        ),
    ],
)
def test_error_says_everything_also_after_pickling(error: HybridoptError, said: str) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(error) == str(again) == said
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert isinstance(error, HybridoptError)


def test_input_error_needs_a_finding() -> None:
    with pytest.raises(ValueError, match="at least one"):
        InputError([])
