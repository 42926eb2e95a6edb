"""What a lock knows beyond its packages, as one mapping: `[tool.envbuild]` of a pylock, `custom_metadata` of a conda-lock."""

from __future__ import annotations

from typing import TypedDict, get_args

from envbuild.core.definition import IndexPin
from envbuild.core.lock import Lock, LockedApt, LockedBase, LockedPython, PipPackage, PythonProvider
from envbuild.formats import checks
from envbuild.formats.fields import Table
from envbuild.formats.pip_values import package_to_dict, read_package, set_only
from envbuild.formats.urls import without_credentials


class Facts(TypedDict):
    """The fields of Lock that both formats keep in the same words."""

    definition_hash: str
    python: LockedPython | None
    base: LockedBase
    apt: LockedApt
    index_url: str
    extra_index_urls: tuple[str, ...]
    index_pins: tuple[IndexPin, ...]
    virtual_packages: tuple[str, ...]
    extras: tuple[str, ...]
    solver: str
    pip_resolver: str
    exclude_newer: str
    tools: tuple[PipPackage, ...]


def to_facts(lock: Lock) -> dict[str, object]:
    """Return what is set, as texts, lists and mappings; `tools` come last."""
    return set_only(
        {
            "definition-hash": lock.definition_hash,
            "python": lock.python and set_only(_python(lock.python)),
            "base": set_only(_base(lock.base)),
            "apt": set_only({"snapshot": lock.apt.snapshot, "packages": list(lock.apt.packages)}),
            "index-url": without_credentials(lock.index_url),
            "extra-index-urls": [without_credentials(one) for one in lock.extra_index_urls],
            "index-pins": list(map(str, lock.index_pins)),
            "virtual-packages": list(lock.virtual_packages),
            "extras": list(lock.extras),
            "solver": lock.solver,
            "pip-resolver": lock.pip_resolver,
            "exclude-newer": lock.exclude_newer,
            "tools": [package_to_dict(one) for one in lock.tools],
        }
    )


def _python(python: LockedPython) -> dict[str, object]:
    return {"version": python.version, "provider": python.provider, "interpreter": python.interpreter}


def _base(base: LockedBase) -> dict[str, object]:
    return {
        "reference": base.reference,
        "digest": base.digest,
        "platform-digests": dict(base.platform_digests),
        "distribution": base.distribution,
    }


def read_facts(table: Table) -> Facts:
    """Return what `table` says; what is wrong is noted there."""
    base, apt = table.table("base"), table.table("apt")
    return Facts(
        definition_hash=table.text("definition-hash"),
        python=_read_python(table.table("python")),
        base=LockedBase(
            reference=base.text("reference"),
            digest=base.text("digest"),
            platform_digests=base.pairs("platform-digests"),
            distribution=base.text("distribution"),
        ),
        apt=LockedApt(packages=apt.texts("packages"), snapshot=apt.text("snapshot")),
        index_url=checks.url(table, "index-url"),
        extra_index_urls=checks.urls(table, "extra-index-urls"),
        index_pins=checks.index_pins(table, "index-pins"),
        virtual_packages=table.texts("virtual-packages"),
        extras=table.texts("extras"),
        solver=table.text("solver"),
        pip_resolver=table.text("pip-resolver"),
        exclude_newer=table.text("exclude-newer"),
        tools=tuple(map(read_package, table.tables("tools"))),
    )


def _read_python(table: Table) -> LockedPython | None:
    if not table.data:
        return None
    version, provider = table.text("version", required=True), table.text("provider", required=True)
    numbers = version.split(".")
    if version and (len(numbers) < 2 or not all(one.isdigit() for one in numbers[:2])):
        table.wrong("version", f"{version[:40]!r} is not a Python version like 3.11")
    for known in get_args(PythonProvider):
        if provider == known:
            return LockedPython(version=version, provider=known, interpreter=table.text("interpreter"))
    table.wrong("provider", f"{provider[:40]!r} is not one of {', '.join(get_args(PythonProvider))}")
    return None
