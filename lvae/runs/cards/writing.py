"""Writes the cards of a set: README.md and croissant.json."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvae import atomic
from lvae.errors import UserError
from lvae.runs.cards import croissant, facts, readme, wording
from lvae.runs.cards.facts import SetFacts
from lvae.runs.export import journal

README = "README.md"


def are_there(out: Path) -> bool:
    """Whether the set has both."""
    return (out / README).exists() and (out / croissant.NAME).exists()


def write_cards(out: Path, known: SetFacts) -> None:
    """Those that a finished set lacks; what is there is left, for its owner may have filled it in.

    Raises:
      UserError: a file of the set is lost, or the folder cannot be written.
    """
    if are_there(out):
        return
    packed = facts.write_checksums(out, known)
    sums = hashlib.sha256((out / journal.FOLDER / facts.CHECKSUMS).read_bytes()).hexdigest()
    if not (out / README).exists():
        atomic.write_text(out / README, readme.readme(known))
    if not (out / croissant.NAME).exists():
        text = json.dumps(croissant.croissant(known, packed, sums), indent=2)
        atomic.write_text(out / croissant.NAME, text + "\n")


def merge(out: Path) -> Path:
    """Makes one set of shards: one manifest, and the cards that they were drawn for.

    Raises:
      UserError: as `journal.merge` and `write_cards`.
    """
    manifest = journal.merge(out)
    left = facts.shards_facts(out)
    if left:
        write_cards(out, facts.read_facts(left[0]))
    for path in left:
        path.unlink(missing_ok=True)
    return manifest


def add_audit(out: Path, audit: Mapping[str, Any]) -> bool:
    """Puts an audit into the cards of the set that it is about, and leaves the rest of them; False
    where README.md has no place for it.

    Raises:
      UserError: a card cannot be read, or the folder cannot be written.
    """
    sentence, changed = wording.audited(audit), None
    if (out / README).is_file():
        text = _text(out / README)
        changed = readme.with_audit(text, audit, sentence)
        if changed is not None:
            atomic.write_text(out / README, changed)
    if (out / croissant.NAME).is_file():
        described = croissant.with_audit(_text(out / croissant.NAME), sentence)
        if described is not None:
            atomic.write_text(out / croissant.NAME, described)
    return changed is not None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); mend or delete it") from error
