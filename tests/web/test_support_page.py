"""The support bundle on the page: made for those who may, without what nobody else is to know."""

from __future__ import annotations

import zipfile
from http import HTTPStatus
from io import BytesIO

from pipeline.cli.support import parts
from tests.web.conftest import World
from tests.web.test_acts import task_of


def test_a_bundle_is_made_and_taken_along(world: World) -> None:
    world.site.support_parts = parts
    support = world.browser("support")
    ((number, phone, customer),) = world.rows(
        "SELECT number, phone, customer FROM orders WHERE phone IS NOT NULL AND customer IS NOT NULL LIMIT 1"
    )
    answer = support.post("/support/bundle", {"days": "30", "orders": f"{number}, {number}"})
    told = task_of(support, answer)
    where = f"{answer.headers['location']}/bundle"
    assert f'href="{where}"' in told
    assert "manifest.json" in told
    file = support.get(where)
    assert file.headers["content-type"] == "application/zip"
    assert "mistok-support-acme-" in file.headers["content-disposition"]
    with zipfile.ZipFile(BytesIO(file.content)) as bundle:
        names = set(bundle.namelist())
        text = "\n".join(bundle.read(name).decode("utf-8") for name in names)
    assert {"manifest.json", "versions.json", "config.yaml", "status.json", "check.json"} <= names
    assert any(number in name for name in names) or number in text
    for private in (phone, str(customer).split()[0]):
        assert private not in text
    ((who, data),) = world.rows("SELECT who, data FROM audit WHERE act = 'support-bundle'")
    assert who == "support"
    assert number in str(data)
    # whoever else may make one does not take this one
    assert world.browser("admin").get(where).status_code == HTTPStatus.NOT_FOUND


def test_a_part_that_cannot_be_made_is_left_out_with_its_reason(world: World) -> None:
    def gone() -> None:
        raise ImportError("the program was updated under the service")

    world.site.support_parts = lambda _config, _connect: [("check.json", gone)]
    support = world.browser("support")
    told = task_of(support, support.post("/support/bundle", {"days": "1"}))
    assert "Not in it" in told
    assert "check.json: " in told
    assert "versions.json" in told


def test_a_wrong_question_is_told(world: World) -> None:
    support = world.browser("support")
    for fields in ({"days": "0"}, {"days": "many"}, {"days": "9" * 30}, {"orders": " ".join(map(str, range(21)))}):
        assert support.post("/support/bundle", {"days": "7", **fields}).status_code == HTTPStatus.CONFLICT
    assert support.get("/tasks/none/bundle").status_code == HTTPStatus.NOT_FOUND
    assert 'name="orders"' in support.get("/support").text
