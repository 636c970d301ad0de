"""The documentation site: python -m sphinx -W --keep-going -b html docs OUT.

Pages are Markdown (MyST); tutorials are notebooks in Markdown, executed by each build with configs
that take seconds. Nothing that a build writes is committed.
"""

import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "extensions")]

from lvae.version import __version__  # noqa: E402

project = "lvae"
author = "the authors of lvae"
copyright = "2026, the authors of lvae, Apache-2.0"
release = version = __version__

extensions = [
    "myst_nb",  # Markdown pages, executed notebooks
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # docstrings with Args, Returns, Raises
    "sphinx.ext.doctest",
    "sphinx_copybutton",
    "docstrings",
]
exclude_patterns = ["**/.ipynb_checkpoints"]

html_theme = "sphinx_book_theme"  # of JAX, Flax and Optax
html_title = f"lvae {__version__}"
html_theme_options = {
    "navbar_persistent": [],  # one search field, in the sidebar
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# All others are errors. This one is about plain words of docstrings that napoleon takes for types.
suppress_warnings = ["ref.python"]

nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 300  # s a notebook
nb_execution_in_temp = True  # runs of tutorials leave nothing in the repository
nb_merge_streams = True

default_role = "code"  # single backticks in docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False  # of Flax
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
autodoc_default_options = {"members": True, "ignore-module-all": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
copybutton_exclude = ".linenos, .gp, .go"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("env-before-read-docs", make_execution_cache)


def make_execution_cache(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Makes the database of executed tutorials before the processes that read pages start: two that
    make it at the same moment end the build."""
    from jupyter_cache import get_cache

    get_cache(env.mystnb_config.execution_cache_path).list_cache_records()
