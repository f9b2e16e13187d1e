"""Replacement of modules of a model by others that are exported in another form."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


@contextmanager
def replaced(model: nn.Module, kind: type[Module], replacement: Callable[[Module], nn.Module]) -> Generator[None]:
    """Replaces the modules of one class inside a model while the context is open.

    Args:
        model: The model, which gets its own modules back at the end.
        kind: The class.
        replacement: Makes the module that takes the place of another.
    """
    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, kind)
    ]
    try:
        for parent, name, child in places:
            setattr(parent, name, replacement(child))
        yield
    finally:
        for parent, name, child in places:
            setattr(parent, name, child)
