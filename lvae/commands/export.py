"""A trained run as one file: lvae export RUN FILE.

The file holds config, spec, parameters (safetensors) and a model card. lvae sample --model=FILE and
lvae.load(FILE) use it on any machine, without the run directory and without the training data.
"""

import os
from pathlib import Path

from lvae.commands import arguments
from lvae.errors import UserError


def main(words: list[str]) -> None:
    """Parses the flags and writes."""
    parser = arguments.Parser(description=__doc__)
    arguments.add_run_directory(parser)
    parser.add_argument("file", type=arguments.path, metavar="FILE", help="File to write.")
    chosen = parser.parse_args(words)
    if chosen.run is None and chosen.workdir is None:
        raise UserError(f"{chosen.file}: name a run, too: lvae export RUN FILE; see --help")
    run = arguments.chosen_directory(chosen)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # arrays are read and written, nothing computed
    written = export(run, chosen.file)
    size = chosen.file.stat().st_size / 1e6
    state = f"{size:.1f} MB" if written else "already complete; nothing changed"
    print(f"{chosen.file}: {state}")


def export(workdir: Path, file: Path) -> bool:
    """Writes the file of a run's newest checkpoint; False if it is there already.

    Raises:
      UserError: there is no trained run, or `file` is something else.
    """
    from lvae.runs.cards.collecting import audit_of
    from lvae.runs.cards.model_card import model_card
    from lvae.storage import model_file, records
    from lvae.tasks import restoring
    from lvae.tasks.task import spec_to_json

    loaded = restoring.load(workdir)
    card = model_card(loaded, records.read_summary(workdir), audit_of(workdir))
    spec = spec_to_json(loaded.run.spec)
    data = model_file.content(loaded.config, spec, card, loaded.run.variables)
    return model_file.write(file, data)
