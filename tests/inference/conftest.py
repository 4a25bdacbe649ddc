"""One small random project in every form, made once for these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.kinds import FORMS
from phi3scaffold.pipeline.environment import prepare
from phi3scaffold.project.settings import Project, load_project
from tests.inference.small_forms import make_forms


@pytest.fixture(scope="session")
def forms_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    prepare()  # before torch is imported: it reads how its threads wait only once
    return load_project(make_forms(tmp_path_factory.mktemp("forms")))


@pytest.fixture(scope="session")
def opened(forms_project: Project) -> Iterator[Callable[[str], Form]]:
    """Each form, loaded once."""
    forms: dict[str, Form] = {}

    def get(name: str) -> Form:
        if name not in forms:
            forms[name] = open_form(name, forms_project)
        return forms[name]

    yield get
    for form in forms.values():
        form.close()


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, opened: Callable[[str], Form]) -> Form:
    return opened(request.param)
