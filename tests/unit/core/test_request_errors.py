from service.core import request_errors
from service.core.errors import EarmarkError
from service.core.request_errors import FieldRepeated, RequestError


def test_every_error_about_an_unreadable_request_is_a_request_error() -> None:
    kinds = [value for value in vars(request_errors).values() if isinstance(value, type) and value is not EarmarkError]
    assert all(issubclass(kind, RequestError) for kind in kinds)


def test_a_repeated_field_is_named_with_the_field_that_may_be_repeated() -> None:
    assert str(FieldRepeated("threshold")) == (
        "field threshold is repeated; it is accepted once; only query, like and unlike may be repeated"
    )
