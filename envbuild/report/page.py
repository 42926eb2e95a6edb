"""The page: head, sections, style and script. The script only shows and hides what the page holds already."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from envbuild.core.diff import Change
from envbuild.core.graph import Branch
from envbuild.formats.diff_text import size_text, versions
from envbuild.report.drawing import legend, treemap
from envbuild.report.facts import Entry, Report
from envbuild.report.markup import Html, join, raw, tag, text


def page(report: Report) -> str:
    """Return `report` as one HTML document that refers to nothing outside itself."""
    numbers = {entry.key: number for number, entry in enumerate(report.entries)}
    body = [
        _header(report),
        tag(
            "main",
            _size(report, numbers),
            _packages(report, numbers),
            _tree(report, numbers),
            _licenses(report, numbers),
            _changes(report),
            _keys(report),
        ),
        tag("script", raw(_asset("report.js"))),
    ]
    return f"<!DOCTYPE html>\n{tag('html', _head(report), tag('body', *body), lang='en')}\n"


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _head(report: Report) -> Html:
    script = base64.b64encode(hashlib.sha256(_asset("report.js").encode()).digest()).decode()
    style = base64.b64encode(hashlib.sha256(_asset("report.css").encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; script-src 'sha256-{script}'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{report.title}: envbuild report"),
        # an icon of no bytes, so that no browser asks for one
        tag("link", rel="icon", href="data:,"),
        tag("style", raw(_asset("report.css"))),
    )


def _header(report: Report) -> Html:
    lock = report.lock
    sizes = [one.size for one in report.entries if one.size is not None]
    python = f"{lock.python.version}, from {lock.python.provider}" if lock.python else "none"
    facts = {
        "lock": report.file,
        "platform": f"{report.platform} (of {', '.join(lock.platforms)})"
        if len(lock.platforms) > 1
        else report.platform,
        "packages": f"{len(report.entries)}, {size_text(sum(sizes)) + ' to download' if sizes else 'of sizes that the lock does not say'}",
        "Python": python,
        "base": lock.base.pinned or "none",
        "channels": ", ".join(lock.channels),
        "index": lock.index_url,
        "solved by": ", ".join(filter(None, [lock.solver, lock.pip_resolver])),
        "nothing newer than": lock.exclude_newer,
    }
    rows = [tag("div", tag("dt", name), tag("dd", _bdi(value))) for name, value in facts.items() if value]
    sections = {
        "size": "Size",
        "packages": "Packages",
        "tree": "Dependencies",
        "licences": "Licences",
        "changes": "Changes",
        "keys": "Keys",
    }
    links = [tag("a", title, href=f"#{name}") for name, title in sections.items()]
    # beside the header, and not in it, for it stays at the top while the page moves
    return join([tag("header", tag("h1", _bdi(report.title)), tag("dl", *rows)), tag("nav", *links)])


def _bdi(value: object) -> Html:
    # a name that holds right-to-left marks must not turn what stands around it
    return tag("bdi", value)


def _section(identity: str, title: str, *children: object) -> Html:
    return tag("section", tag("h2", title), *children, id=identity)


def _size(report: Report, numbers: dict[tuple[str, str], int]) -> Html:
    unknown = [one.name for one in report.entries if one.size is None]
    names = ", ".join(unknown[:12]) + (", …" if len(unknown) > 12 else "")
    note = f"The lock does not say the size of {len(unknown)} packages: {names}" if unknown else None
    return _section(
        "size",
        "Size by layer and package",
        tag("p", "Areas are the sizes of the archives that are downloaded. A package leads to its row below."),
        legend(report.entries),
        treemap(report.entries, numbers),
        tag(
            "div",
            tag("p", "Choose a package to see what it is and who needs it."),
            id="chosen",
            role="status",
            aria_live="polite",
        ),
        tag("p", note, class_="note") if note else None,
    )


def _packages(report: Report, numbers: dict[tuple[str, str], int]) -> Html:
    head = tag(
        "tr",
        *(
            tag("th", name, scope="col")
            for name in ("package", "version", "layer", "size", "licence", "needs", "needed by")
        ),
    )
    rows = [_row(entry, report, numbers) for entry in report.entries]
    search = tag("label", "Filter ", tag("input", type="search", id="filter", autocomplete="off"), hidden=True)
    table = tag("table", tag("thead", head), tag("tbody", *rows), id="table")
    return _section("packages", f"Packages ({len(report.entries)})", search, tag("div", table, class_="wide"))


def _row(entry: Entry, report: Report, numbers: dict[tuple[str, str], int]) -> Html:
    name = tag("strong", _bdi(entry.name)) if entry.requested else _bdi(entry.name)
    size = size_text(entry.size) if entry.size is not None else "unknown"
    known = {number_of.name: numbers[number_of.key] for number_of in report.entries}
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag("td", _bdi(entry.version)),
        tag("td", entry.layer),
        tag("td", size, class_="number", data_value=entry.size if entry.size is not None else -1),
        tag("td", _bdi(entry.license) if entry.license else "—"),
        tag("td", _links(entry.needs, known)),
        tag("td", _links(entry.needed_by, known)),
        id=f"p{numbers[entry.key]}",
        data_place=entry.place,
        data_digest=entry.digest,
        data_requested="yes" if entry.requested else None,
    )


def _links(names: tuple[str, ...], known: dict[str, int]) -> Html:
    return join(
        join([", " if at else "", tag("a", _bdi(name), href=f"#p{known[name]}") if name in known else _bdi(name)])
        for at, name in enumerate(names)
    )


def _tree(report: Report, numbers: dict[tuple[str, str], int]) -> Html:
    branches = [_branch(one, numbers, depth=0) for one in report.trees]
    note = "A package is unfolded once; … says that its needs stand where it came up first."
    return _section("tree", "Dependencies", tag("p", note), tag("ul", *branches, class_="tree"))


def _branch(branch: Branch, numbers: dict[tuple[str, str], int], *, depth: int) -> Html:
    number = numbers.get((branch.node.manager, branch.node.name))
    label = [
        tag("a", _bdi(branch.node.name), href=f"#p{number}") if number is not None else _bdi(branch.node.name),
        " ",
        _bdi(branch.node.version),
        tag("small", " ", _bdi(branch.asks)) if branch.asks else None,
        " …" if branch.repeated else None,
    ]
    if not branch.branches:
        return tag("li", *label)
    inner = tag("ul", *(_branch(one, numbers, depth=depth + 1) for one in branch.branches))
    return tag("li", tag("details", tag("summary", *label), inner, open=depth < 1))


def _licenses(report: Report, numbers: dict[tuple[str, str], int]) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", _bdi(name) if name else "not in the lock (a wheel's metadata says it)", scope="row"),
            tag("td", len(entries), class_="number"),
            tag("td", _links(tuple(one.name for one in entries), {one.name: numbers[one.key] for one in entries})),
        )
        for name, entries in report.licenses.items()
    ]
    head = tag("tr", *(tag("th", one, scope="col") for one in ("licence", "packages", "which")))
    return _section(
        "licences", "Licences", tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide")
    )


def _changes(report: Report) -> Html:
    if report.diff is None:
        return _section(
            "changes", "Changes", tag("p", "There is no earlier lock to compare with; name one with --against.")
        )
    since = tag("p", "Since ", _bdi(report.against), ".")
    if not report.diff:
        return _section("changes", "Changes", since, tag("p", "Nothing moved."))
    rows = [_change(one) for one in report.diff.changes]
    facts = [
        tag("li", one.name, ": ", _bdi(one.old or "none"), " → ", _bdi(one.new or "none")) for one in report.diff.facts
    ]
    counts = f"{len(report.diff.added)} added, {len(report.diff.removed)} removed, {len(report.diff.changed)} changed"
    table = tag("div", tag("table", tag("tbody", *rows)), class_="wide") if rows else None
    return _section("changes", "Changes", since, tag("p", counts), table, tag("ul", *facts) if facts else None)


def _change(change: Change) -> Html:
    growth = _growth(change)
    return tag(
        "tr",
        tag("td", change.kind, class_=f"kind {change.kind}"),
        tag("th", _bdi(change.name), scope="row"),
        tag("td", change.manager),
        tag("td", _bdi(versions(change).replace("->", "→"))),
        tag("td", size_text(growth, signed=True) if growth else "", class_="number"),
        tag("td", ", ".join(change.platforms)),
    )


def _growth(change: Change) -> int:
    old = change.old.size if change.old else 0
    new = change.new.size if change.new else 0
    return new - old if old is not None and new is not None else 0


def _keys(report: Report) -> Html:
    lock_row = {"definition hash": report.lock.definition_hash}
    named = lock_row | {"image key": report.image_key, "image": report.image_name}
    rows = [tag("div", tag("dt", name), tag("dd", tag("code", value))) for name, value in named.items() if value]
    layers = list(_layer_rows(report))
    head = tag("tr", *(tag("th", one, scope="col") for one in ("layer", "what", "to download", "key")))
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *layers)), class_="wide") if layers else None
    note = None if layers else tag("p", "A lock alone has no image key: name its definition to see the layers.")
    return _section("keys", "Keys", tag("dl", *rows), table, note)


def _layer_rows(report: Report) -> Iterator[Html]:
    for layer in report.layers:
        size = sum(one.size or 0 for one in report.entries if one.layer == layer.kind)
        yield tag(
            "tr",
            tag("th", layer.kind, scope="row"),
            tag("td", _bdi(layer.title)),
            tag("td", size_text(size) if size else "", class_="number"),
            tag("td", tag("code", text(layer.key))),
        )
