"""Writes the cards of a set: README.md and croissant.json."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvae import atomic
from lvae.runs.cards import croissant, readme, wording
from lvae.runs.cards.facts import CHECKSUMS, facts
from lvae.runs.export import journal
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Plan

README = "README.md"


def write_cards(loaded: Loaded, plan: Plan, out: Path, samples_per_file: int) -> None:
    """Those that a finished set lacks; what is there is left, for its owner may have filled it in.

    Raises:
      UserError: a record cannot be read, or the folder cannot be written.
    """
    if (out / README).exists() and (out / croissant.NAME).exists():
        return
    known = facts(loaded, plan, out, samples_per_file)
    name = readme.title(out, known)
    sums = hashlib.sha256((out / journal.FOLDER / CHECKSUMS).read_bytes()).hexdigest()
    if not (out / README).exists():
        atomic.write_text(out / README, readme.readme(known, name))
    if not (out / croissant.NAME).exists():
        text = json.dumps(croissant.croissant(known, name, sums), indent=2)
        atomic.write_text(out / croissant.NAME, text + "\n")


def add_audit(out: Path, audit: Mapping[str, Any]) -> bool:
    """Puts an audit into the card of the set that it is about, and leaves the rest of it; False where
    there is no card with a place for it.

    Raises:
      UserError: the folder cannot be written.
    """
    path = out / README
    if not path.is_file():
        return False
    changed = readme.with_audit(path.read_text(encoding="utf-8"), audit, wording.audited(audit))
    if changed is None:
        return False
    atomic.write_text(path, changed)
    return True
