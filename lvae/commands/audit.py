"""May this set be shared? lvae audit [--workdir=DIR] [--samples=DIR] [--held_out=DIR].

Tests by recording or subject what a drawn set and the model behind it give away about those the
model was trained on, beside controls that copy and controls that do not. Writes audit.json and
audit.md with figures; prints the verdict as one JSON object, the last line of stdout. An audit that
does not flag the controls that copy is not valid: it says so, and the exit status is 2.
"""

import json
from pathlib import Path
from typing import Any

from lvae.commands import arguments, process
from lvae.errors import UserError

AUDIT_FOLDER = "audit"  # of a run directory
SHOWN = ("set", "label", "valid", "flagged", "findings", "smallest_leak")


def main(words: list[str]) -> None:
    """Parses the flags, writes the audit, prints the verdict."""
    parser = arguments.Parser(description=__doc__)
    arguments.add_run(parser, "Run to audit.")
    parser.add_argument(
        "--samples",
        type=arguments.path,
        help="A drawn set, in any layout. Default: --num_samples of the mode prior, drawn anew.",
    )
    parser.add_argument(
        "--held_out",
        type=arguments.path,
        help="Recordings or subjects that the run was not trained on, laid out as config.data.path. "
        "Default: the validation and test splits of its own data.",
    )
    parser.add_argument("--out", type=arguments.path, help="Folder. Default: WORKDIR/audit.")
    parser.add_argument("--num_samples", type=arguments.positive, default=2000, help="To draw.")
    parser.add_argument("--seed", type=int, default=0, help="Of everything random.")
    arguments.add_device(parser)
    chosen = parser.parse_args(words)
    place = arguments.chosen_run(chosen, words)
    if chosen.model is not None and chosen.out is None:
        raise UserError(f"--model={chosen.model}: say with --out=DIR where the audit goes")
    out = chosen.out or place / AUDIT_FOLDER
    process.prepare_jax(chosen.device)

    from lvae.runs.audit.auditing import Wanted

    wanted = Wanted(chosen.samples, chosen.held_out, chosen.num_samples, chosen.seed)
    result = audit(place, wanted, out)
    print(json.dumps({name: result[name] for name in SHOWN} | {"report": str(out / "audit.md")}))
    if not result["valid"]:
        raise UserError(
            f"{out}: the audit is not valid: it did not flag {', '.join(result['missed_controls'])}, "
            "which copy; compare with more recordings (--held_out=DIR)"
        )


def audit(workdir: Path, wanted: Any, out: Path) -> dict[str, Any]:
    """Audits a run and writes everything into `out`; what audit.json holds. The card of an audited set
    gets the table; so does that of the run, where `out` is the run's own folder of audits.

    Raises:
      UserError: see `lvae.runs.audit.auditing.audit`.
    """
    from lvae.runs.audit import auditing, report
    from lvae.runs.cards.model_card import read_summary, write_model_card
    from lvae.runs.cards.writing import add_audit
    from lvae.tasks import restoring

    loaded = restoring.load(workdir)
    done = auditing.audit(loaded, wanted)
    report.write(done, loaded, out)
    if out == workdir / AUDIT_FOLDER and workdir.is_dir():
        write_model_card(loaded, read_summary(workdir), done.result)
    if wanted.samples is not None:
        add_audit(wanted.samples, done.result)
    return done.result
