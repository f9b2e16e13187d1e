"""Check of `OTEL_PROPAGATORS`: FastAPI loads the propagators when it is imported, even if nothing is traced."""

import os

from service.core.start_errors import SettingInvalid

_VARIABLE = "OTEL_PROPAGATORS"


def check_propagators() -> None:
    """Loads the propagators that `OTEL_PROPAGATORS` names, if OpenTelemetry is installed.

    Raises:
        SettingInvalid: If a propagator is not installed.
    """
    try:
        import opentelemetry.propagate as _  # noqa: F401 - loads them
    except ModuleNotFoundError:  # FastAPI then needs no propagators either
        return
    except ValueError as error:
        accepted = "tracecontext, baggage and none, or others whose packages are installed"
        raise SettingInvalid(_VARIABLE, repr(os.environ.get(_VARIABLE)), accepted) from error
