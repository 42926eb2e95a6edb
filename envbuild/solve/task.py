"""What one lock is made from, and the look at its base that every kind of definition needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.core.definition import Definition
from envbuild.core.lock import Lock, LockedBase
from envbuild.core.progress import Progress
from envbuild.solve.base_name import base_reference
from envbuild.solve.includes import Expanded
from envbuild.solve.options import SolveOptions

if TYPE_CHECKING:
    from envbuild.solve.base import BaseFacts, InspectBase


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All that is given for one lock. `pip` is the definition's pip side with all that it includes. `options.exclude_newer` is the cutoff that counts, a previous lock's if none is given."""

    definition: Definition
    pip: Expanded
    folder: Path
    platforms: tuple[str, ...]
    previous: Lock | None
    options: SolveOptions
    progress: Progress
    inspect_base: InspectBase | None


def look(task: Task, *, read: bool) -> BaseFacts:
    """Ask for the base, its files only where `read`, and check what is known of it."""
    from envbuild.solve.base import BaseQuestion, check_base, look_at_base

    previous = task.previous.base if task.previous and not task.options.update_base else LockedBase()
    question = BaseQuestion(
        reference=base_reference(task.definition, task.folder),
        registry=task.definition.base.registry,
        platforms=task.platforms,
        read=read,
        offline=task.options.offline,
        previous=previous,
        inspect=task.inspect_base,
    )
    facts = look_at_base(question, task.progress)
    check_base(task.definition, facts)
    if (brought := facts.contents.packages) and not task.definition.user_managed and not task.definition.base_packages:
        named = f"{', '.join(brought[:3])}{', …' if len(brought) > 3 else ''}"
        task.progress.note(
            f"base image {facts.locked.reference} brings {len(brought)} Python packages ({named}); the environment beside "
            "them in /opt/env does not see those: ask for them, or make the definition user-managed"
        )
    return facts
