from service.core import start_errors
from service.core.errors import EarmarkError
from service.core.start_errors import SettingUnknown, StartError


def test_every_error_that_stops_a_start_is_a_start_error() -> None:
    kinds = [value for value in vars(start_errors).values() if isinstance(value, type) and value is not EarmarkError]
    assert all(issubclass(kind, StartError) for kind in kinds)


def test_a_misspelt_setting_is_answered_with_the_nearest_name() -> None:
    error = SettingUnknown("EARMARK_PROT", "EARMARK_PORT")
    assert str(error) == "EARMARK_PROT is not a setting; did you mean EARMARK_PORT?"
