"""Names of samples, counted through."""

from collections.abc import Sequence


class Numbered(Sequence[str]):
    """Names of samples such as "00000", "00001", ..., any number of them, without holding them.

    count: of names. first: number of the first. prefix: before the number. digits: at least, and in
    all names as many as in the last, so that they sort; 0: no zeros in front.
    """

    def __init__(self, count: int, first: int = 0, prefix: str = "", digits: int = 5):
        self._numbers = range(first, first + count)
        self.prefix = prefix
        self._digits = max(digits, len(str(first + count - 1))) if digits else 0

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # an int, or a slice
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return f"{self.prefix}{self._numbers[index]:0{self._digits}d}"

    def __contains__(self, name: object) -> bool:
        number = name.removeprefix(self.prefix) if isinstance(name, str) else ""
        if not number.isdecimal() or int(number) not in self._numbers:
            return False
        return name == self[int(number) - self._numbers.start]
