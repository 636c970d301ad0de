"""python -m lvae.audit: see `lvae.commands.audit`."""

from lvae.commands import process
from lvae.commands.audit import audit, main

__all__ = ["audit", "main"]

if __name__ == "__main__":
    process.run_command("audit")
