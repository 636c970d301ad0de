"""The one exception that the doors turn into a line on stderr and exit status 2."""


class UserError(Exception):
    """A mistake that the user can mend: the message names the file or flag, the value and the remedy, on one line."""

    def __init__(self, message: str):
        super().__init__(" ".join(str(message).split()))
