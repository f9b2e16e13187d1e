import pytest
from torch import nn

from model_export.replacement import replaced


def test_the_modules_of_a_class_are_replaced_until_the_end() -> None:
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Linear(1, 1)), nn.ReLU())
    before = list(model.modules())
    with replaced(model, nn.ReLU, lambda _: nn.GELU()):
        assert [type(each) for each in model.modules()][2:] == [nn.GELU, nn.Linear, nn.GELU]
    assert list(model.modules()) == before


def test_an_error_puts_the_modules_back() -> None:
    model = nn.Sequential(nn.ReLU())
    before = list(model.modules())
    with pytest.raises(ZeroDivisionError), replaced(model, nn.ReLU, lambda _: nn.GELU()):
        _ = 1 / 0
    assert list(model.modules()) == before
