"""The one exception that the commands turn into a line on stderr and exit status 2."""


class UserError(Exception):
    """A mistake that the user can mend: names the file or flag, the value and the remedy, on one line.

    Several lines are for several mistakes: see `lvae.data.problems`.
    """

    def __init__(self, *lines: str):
        super().__init__("\n".join(" ".join(str(line).split()) for line in lines))
