"""Problems of many files: all are named at once, the first ten spelt out."""

import pytest

from lvae.data.problems import Problem, Problems, Refused, collecting, refused
from lvae.errors import UserError


def test_one_problem_is_one_line():
    error = refused("a.png", "is in\ncolour", "convert it")
    assert str(error) == "a.png: is in colour; convert it"
    assert isinstance(error, UserError)


def read(count, problems=None):
    """A reader of `count` files, each third of which is bad."""
    with collecting(problems) as found:
        good = []
        for index in range(count):
            with found.skipping():
                if index % 3 == 0:
                    raise refused(f"{index}.png", "is bad", "mend it")
                good.append(index)
        found.warn("x", "is odd", "look at it")
    return good


def test_several_problems_are_a_line_each_then_a_count(capsys):
    with pytest.raises(UserError) as caught:
        read(36)
    lines = str(caught.value).splitlines()
    assert lines[0] == "0.png: is bad; mend it"
    assert lines[9] == "27.png: is bad; mend it"
    assert lines[10:] == ["and 2 more"]
    assert capsys.readouterr().err == "warning: x: is odd; look at it\n"


def test_a_caller_s_own_problems_hold_everything(capsys):
    problems = Problems()
    with pytest.raises(UserError):
        read(7, problems)
    assert [problem.path for problem in problems.errors] == ["0.png", "3.png", "6.png"]
    assert problems.warnings == (Problem("x", "is odd", "look at it"),)
    assert capsys.readouterr().err == ""


def add_then_raise(error):
    with collecting() as found:
        found.add("a", "is bad", "mend it")
        raise error


def test_an_error_that_ends_the_block_comes_after_those_noted():
    with pytest.raises(Refused) as caught:
        add_then_raise(UserError("b: is worse; stop"))
    assert str(caught.value) == "a: is bad; mend it\nb: is worse; stop"
    assert isinstance(caught.value.__cause__, UserError)


def test_nested_readers_name_a_problem_once():
    with pytest.raises(Refused) as caught, collecting() as outer:
        read(4, outer)
    assert str(caught.value) == "0.png: is bad; mend it\n3.png: is bad; mend it"


def test_what_one_reader_noted_does_not_stop_the_next():
    problems = Problems()
    problems.add("a", "is bad", "mend it")
    assert read(0, problems) == []
    assert [problem.path for problem in problems.warnings] == ["x"]


def test_what_the_system_refuses_is_one_line():
    with pytest.raises(UserError, match=r"^a: is bad; mend it\nx: cannot be read \(File name too"):
        add_then_raise(OSError(36, "File name too long", "x"))


def test_other_exceptions_pass_and_no_problem_is_no_error():
    with pytest.raises(ZeroDivisionError):
        add_then_raise(ZeroDivisionError())
    with collecting() as found:
        found.raise_if_any()
