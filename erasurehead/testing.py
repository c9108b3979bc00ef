"""For authors of schemes: check your own scheme as the built-in ones are checked.

    from erasurehead import testing

    def test_my_code():
        testing.check_scheme(MyCode(load=3, wait_for=20), workers=30)

``CHECKS`` has the checks. They also test what a scheme says of itself: ``exact``, and its
``guarantees`` (``sim.schemes.base``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erasurehead.api.face import face
from erasurehead.experiments.checks.conformance import CHECKS, Nonconforming, SchemeUnderTest
from erasurehead.experiments.config.catalogue import with_plugins
from erasurehead.experiments.config.codec import Reader, located
from erasurehead.experiments.text import number_of, raised
from erasurehead.sim.base.errors import ConfigError, InvalidParameter, at, one_of
from erasurehead.sim.base.fields import require_count
from erasurehead.sim.schemes import SchemeFamily

__all__ = ["CHECKS", "Nonconforming", "check_scheme"]


@face
def check_scheme(
    scheme: SchemeFamily | str,
    workers: int = 12,
    *,
    plugins: Sequence[str] = (),
    only: Sequence[str] = tuple(CHECKS),
    **fields: Any,
) -> dict[str, str]:
    """Check a scheme at one number of workers. Returns what each check confirmed, in a few words;
    ``nothing claimed`` where it does not apply. Raises ``Nonconforming``, an ``AssertionError``
    whose one line names the scheme, the check and the fault. Raises ``ConfigError``: a plugin
    cannot be used, there is no such scheme or check, or a value does not fit a field, an argument
    or the workers.

    Args:
        scheme: a scheme with its fields, or the name of one that is built in, installed as a
            plugin, or in ``plugins``.
        workers: n.
        plugins: files and modules, as in a config.
        only: names of checks; all unless given.
        fields: of the scheme, where it is given by name.
    """
    if isinstance(scheme, str):
        catalogue = with_plugins(plugins)
        classes = catalogue["schemes"].classes
        if scheme not in classes:
            raise at("scheme", scheme, one_of(classes, scheme))
        with located(scheme):
            family: SchemeFamily = Reader(catalogue).build(classes[scheme], fields)
    elif isinstance(scheme, SchemeFamily):
        for name, value in {**fields, **({"plugins": plugins} if plugins else {})}.items():
            raise at(name, value, "must be left out: the scheme is given with its fields")
        family = scheme
    else:
        raise at("scheme", scheme, "must be a scheme with its fields, or the name of one")
    if isinstance(only, str):
        raise at("only", only, "must be a list of names of checks")
    for name in only:
        if name not in CHECKS:
            raise at("only", name, one_of(CHECKS, name))
    tested = SchemeUnderTest(family, workers)
    try:
        require_count("workers", workers)
        tested.scheme  # noqa: B018 - now, so that a wrong parameter is no failed check
    except InvalidParameter as error:
        section = "" if error.field == "workers" else f"{family.name}."
        raise ConfigError(f"{section}{error}") from None
    except Exception as error:
        what = f"{type(family).__name__} cannot be built for {number_of(workers, 'worker')}"
        raise Nonconforming(f"{family.name}: {what}: {raised(error)}") from error
    outcomes = {}
    for name in only:
        try:
            outcomes[name] = CHECKS[name](tested) or "nothing claimed"
        except Nonconforming as error:
            raise Nonconforming(f"{family.name}, {name}: {error}") from None
        except Exception as error:
            raise Nonconforming(f"{family.name}, {name}: {raised(error)}") from error
    return outcomes
