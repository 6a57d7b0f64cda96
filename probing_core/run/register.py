"""Models, transformations and corpora that are known to this process alone."""

from __future__ import annotations

from probing_core import corpora, models, transforms
from probing_core.corpora.base import Corpus, CorpusKind
from probing_core.errors import BadConfig
from probing_core.models import EmbedderSpec
from probing_core.run.recipe import Recipe
from probing_core.transforms.base import Transform

Entry = EmbedderSpec | Transform | CorpusKind


def register(entry: Entry | Corpus) -> None:
    """Add a model, a transformation or a corpus to this process, where its name is usable like any other.

    Registering a name again replaces the entry. ``probing --plugin FILE.py`` runs a file that does so before a command;
    its name is given on a command line alone, and never by a page.

    Args:
        entry: a model as `probing_core.models.from_callable` and ``from_module`` make it; a `Transform`; a kind of
            corpora, or one opened corpus.

    Raises:
        BadConfig: the project has something of that name, or it is none of these.
    """
    if isinstance(entry, EmbedderSpec):
        models.register(entry)
    elif isinstance(entry, Transform):
        transforms.CATALOG.add(entry)
    elif isinstance(entry, CorpusKind):
        corpora.KINDS.add(entry)
    elif isinstance(entry, Corpus):
        kind = CorpusKind(
            name=entry.name, description=entry.description, license="its own", open=lambda argument: entry
        )
        corpora.KINDS.add(kind)
    else:
        raise BadConfig(
            f"A model (from_callable, from_module), a Transform, a CorpusKind or a Corpus is registered; got "
            f"{type(entry).__name__}."
        )


def registered(recipe: Recipe) -> tuple[Entry, ...]:
    """Return the entries that a recipe names and only this process has."""
    named = {
        *(models.parse(model).base for model in recipe.models),
        *recipe.transforms,
        recipe.corpus.partition(":")[0],
    }
    added: tuple[Entry, ...] = (*models.CATALOG.added, *transforms.CATALOG.added, *corpora.KINDS.added)
    return tuple(entry for entry in added if entry.name in named)
