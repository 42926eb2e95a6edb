"""conda and pip together, with solvers whose answers a test writes down."""

from __future__ import annotations

import pytest

from envbuild.core.definition import CondaSpec, Definition, Origin, PipRequirement
from envbuild.core.errors import Problem, SolveError
from envbuild.core.lock import CondaPackage, PipPackage
from envbuild.core.progress import Progress
from envbuild.solve.conda import CondaAnswer, CondaRequest
from envbuild.solve.joint import ROUNDS, merged, solve_jointly
from envbuild.solve.options import PipConflictError, PipRequest

NUMPY = CondaSpec(text="numpy", name="numpy", origin=Origin(file="environment.yml", line=3))
NUMBA = PipRequirement(text="numba", name="numba")


def package(name: str, version: str, platform: str) -> CondaPackage:
    url = f"https://conda.example/c/{platform}/{name}-{version}-0.conda"
    return CondaPackage(
        name=name,
        version=version,
        build="0",
        platform=platform,
        subdir=platform,
        channel="c",
        url=url,
        depends=("python",),
    )


class Conda:
    """Has numpy in `versions`, newest first; keeps the constraints of each round."""

    def __init__(self, *versions: str) -> None:
        self.versions = versions
        self.rounds: list[tuple[str, ...]] = []

    def solve(self, requests, advance):
        from packaging.specifiers import SpecifierSet

        constraints = requests[0].constraints
        self.rounds.append(constraints)
        allowed = SpecifierSet(",".join(text.split(" ")[1] for text in constraints))
        fitting = [one for one in self.versions if allowed.contains(one)]
        if not fitting:
            raise SolveError("conda has no such numpy")
        return tuple(
            CondaAnswer(platform=one.platform, packages=(package("numpy", fitting[0], one.platform),))
            for one in requests
        )


def pip_wanting(**accepted: str):
    """Return a pip side that accepts numpy only in one version, and asks for it otherwise."""

    def resolve(request: PipRequest, progress: Progress):
        for name, version in accepted.items():
            if version is not None and request.provided[name] != version:
                problem = Problem(message=f"numba needs {name} {version}", file="environment.yml", line=9)
                raise PipConflictError((problem,), {name: version})
        return (PipPackage(name="numba", version="0.58", platforms=request.platforms),)

    return resolve


def jointly(conda, resolve, platforms=("linux-64",), progress=None, definition=None):
    requests = [CondaRequest(platform=one, specs=(NUMPY,), channels=("c",)) for one in platforms]
    return solve_jointly(
        conda,
        requests,
        PipRequest(requirements=(NUMBA,), python="3.11"),
        definition=definition or Definition(kind="conda", conda=(NUMPY,), pip=(NUMBA,)),
        resolve=resolve,
        progress=progress or Progress(),
    )


def test_agreement_needs_no_round():
    answer = jointly(Conda("2.0"), pip_wanting(numpy="2.0"))
    assert (answer.rounds, answer.constraints) == (0, ())


def test_an_older_version_is_asked_for_as_a_limit():
    conda = Conda("2.0", "1.26.4")
    answer = jointly(conda, pip_wanting(numpy="1.26.4"))
    assert (answer.rounds, conda.rounds) == (1, [(), ("numpy <=1.26.4",)])
    assert answer.conda[0].packages[0].version == "1.26.4"


def test_a_newer_version_is_asked_for_as_a_start():
    class Old(Conda):
        def solve(self, requests, advance):
            if requests[0].constraints:
                self.versions = ("2.0",)
            return super().solve(requests, advance)

    assert jointly(Old("1.0"), pip_wanting(numpy="2.0")).constraints == ("numpy >=2.0",)


def test_an_unknown_wish_moves_away_from_what_was_chosen():
    seen: list[str] = []

    def resolve(request, progress):
        seen.append(request.provided["numpy"])
        if len(seen) < 3:
            raise PipConflictError((Problem(message="no"),), {"numpy": ""})
        return ()

    answer = jointly(Conda("3.0", "2.0", "1.0"), resolve)
    assert (seen, answer.rounds) == (["3.0", "2.0", "1.0"], 2)


def test_every_round_is_shown():
    notes: list[str] = []

    class Heard(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    jointly(Conda("2.0", "1.0"), pip_wanting(numpy="1.0"), progress=Heard())
    assert notes == ["pip's side cannot take what conda chose; conda solves again with numpy <=1.0"]


def test_a_contradiction_shows_both_sides():
    with pytest.raises(SolveError) as caught:
        jointly(Conda("2.0"), pip_wanting(numpy="1.0"))
    assert str(caught.value) == (
        "conda and pip cannot agree on numpy\n"
        "  conda's side:\n"
        "    environment.yml:3: numpy\n"
        "  pip's side:\n"
        "    environment.yml:9: numba needs numpy 1.0\n"
        "  with what pip wants, conda has no answer:\n"
        "    conda has no such numpy\n"
        "  hint: loosen one of these lines"
    )


def test_a_wish_that_nobody_can_fulfil_ends():
    def resolve(request, progress):
        raise PipConflictError((Problem(message="never"),), {"other": "1.0"})

    with pytest.raises(SolveError, match="cannot agree on other"):
        jointly(Conda("2.0"), resolve)


def test_rounds_are_bounded():
    conda = Conda(*(f"{number}.0" for number in range(50, 0, -1)))

    def resolve(request, progress):
        raise PipConflictError((Problem(message="never"),), {"numpy": ""})

    with pytest.raises(SolveError, match="cannot agree on numpy"):
        jointly(conda, resolve)
    assert len(conda.rounds) == ROUNDS + 1


def test_pip_is_asked_for_each_platform_and_answers_are_folded():
    platforms = ("linux-64", "osx-arm64")
    answer = jointly(Conda("2.0"), pip_wanting(numpy="2.0"), platforms)
    assert answer.pip == (PipPackage(name="numba", version="0.58", platforms=()),)


def test_without_requirements_pip_is_not_asked():
    def never(request, progress):
        raise AssertionError

    requests = [CondaRequest(platform="linux-64", specs=(NUMPY,), channels=("c",))]
    question = PipRequest(requirements=(), python="3.11")
    definition = Definition(kind="conda", conda=(NUMPY,))
    found = solve_jointly(Conda("2.0"), requests, question, definition=definition, resolve=never, progress=Progress())
    assert found.pip == ()


def test_packages_that_differ_keep_their_platforms():
    linux = PipPackage(name="a", version="1", platforms=("linux-64",))
    mac = PipPackage(name="a", version="2", platforms=("osx-arm64",))
    assert merged([mac, linux], ("linux-64", "osx-arm64")) == (linux, mac)
