"""The system model as a person writes it: KDL text, read with places, changed line by line, written afresh.

    stated = read_model(text, name)             # ModelTextError names file, line and column of all that is wrong
    text = edited(text, before, after)          # what differs between two models, and no other line
    text = with_repositories(text, repositories)
    text = written(model, repositories)         # where there is no text yet

The language is described in docs/system-model.md.
"""

from moss.model_text.edit import edited, with_repositories
from moss.model_text.read import ModelTextError, read_model
from moss.model_text.repositories import as_stated, same_repositories, uri_of
from moss.model_text.values import ModelText, StatedRepository
from moss.model_text.write import written

__all__ = [
    "ModelText",
    "ModelTextError",
    "StatedRepository",
    "as_stated",
    "edited",
    "read_model",
    "same_repositories",
    "uri_of",
    "with_repositories",
    "written",
]
