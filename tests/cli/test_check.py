"""``mistok check --connect``: what a job needs and a folder refuses is a fault; what no job needs is none."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli import common
from pipeline.cli.check import Answer, Need, _judge
from pipeline.errors import Finding, Who
from pipeline.ports import Capabilities
from pipeline.texts import T
from tests.e2e.command import mistok

REFUSED = Finding("rights-write", T("writing is refused"), who=Who.ADMIN)
READ_ONLY = Capabilities(listing=True, write=False, exact_times=True, findings=(REFUSED,))


def judged(need: Need, seen: Capabilities) -> Answer:
    answer = Answer(need.connection, "local", need.folder)
    _judge(answer, need, seen)
    return answer


def test_a_folder_that_refuses_what_the_job_does_after_the_import_ends_with_3() -> None:
    answer = judged(Need("site", "orders", reads=True, deletes=True, jobs={"orders"}), READ_ONLY)
    assert answer.exit_code == common.UNREACHABLE
    assert (False, T("files cannot be deleted, as far as can be seen")) in answer.lines
    (finding,) = answer.findings
    assert finding.code == "rights-delete"
    assert "orders" in str(finding.text)
    assert "writing is refused" in str(finding.text)
    assert "after: keep" in str(finding.hint)


def test_what_no_job_needs_is_neither_good_nor_bad() -> None:
    answer = judged(Need("site", "orders", reads=True), READ_ONLY)
    assert answer.exit_code == common.DONE
    assert (None, T("cannot be written to")) in answer.lines
    assert answer.findings == []


def test_a_delete_that_was_tried_and_refused_ends_with_3() -> None:
    seen = Capabilities(listing=True, write=True, rename=True, rename_over=True, delete=False)
    answer = judged(Need("site", "orders", reads=True, deletes=True), seen)
    assert answer.exit_code == common.UNREACHABLE
    assert (False, T("files cannot be deleted")) in answer.lines


def test_the_steps_of_the_readme_find_no_fault(tmp_path: Path) -> None:
    """check --connect comes before the books are filled: that they are empty is a remark."""
    folder = tmp_path / "shop"
    assert mistok("init", folder, "--language", "en").code == 0
    text = (folder / "config.yaml").read_text("utf-8")
    (folder / "config.yaml").write_text(
        "\n".join(line for line in text.splitlines() if not line.strip().startswith("seed:")), "utf-8"
    )
    said = mistok("-c", folder / "config.yaml", "check", "--connect")
    assert said.code == 0, said.all
    assert "Remark: The books books have no products yet." in said.out
    assert "✗" not in said.all


def _client(folder: Path, *, images: str = "images") -> Path:
    """A client whose catalogue and images go into folders that are not there yet."""
    (folder / "site" / "orders").mkdir(parents=True)
    (folder / "pictures").mkdir()
    path = folder / "config.yaml"
    path.write_text(
        f"""\
client: acme
language: en
connections:
  site: {{type: local, path: site}}
  pictures: {{type: local, path: pictures}}
  books: {{type: books}}
jobs:
  catalogue:
    steps:
      - {{step: export-catalogue, from: books, to: site, folder: goods, images: {{from: pictures, to: {images}}}}}
  orders:
    steps:
      - {{step: import-orders, inbox: site, folder: orders, into: books}}
""",
        encoding="utf-8",
    )
    return path


def test_a_folder_that_the_job_makes_by_itself_is_no_fault(tmp_path: Path) -> None:
    said = mistok("-c", _client(tmp_path), "check", "--connect", "--json")
    assert said.code == 0, said.all
    told = {row["folder"]: row for row in said.json()["connections"]}
    for folder in ("goods", "images"):
        assert told[folder]["checks"] == [{"ok": None, "text": "is not there yet; the job makes it"}]
        assert told[folder]["findings"] == []
    assert not (tmp_path / "site" / "goods").exists(), "looking makes nothing"
    assert "· is not there yet; the job makes it" in mistok("-c", tmp_path / "config.yaml", "check", "--connect").out


def test_the_job_makes_it_indeed(tmp_path: Path) -> None:
    path = _client(tmp_path)
    table = tmp_path / "products.csv"
    table.write_text("code;name_uk-UA;unit;price;currency;tax_rate\nA-1;Фарба;шт;10.00;UAH;20\n", encoding="utf-8")
    assert mistok("-c", path, "books", "load", table).code == 0
    said = mistok("-c", path, "run", "catalogue")
    assert said.code == 0, said.all
    assert (tmp_path / "site" / "goods" / "catalogue.csv").exists()
    told = {row["folder"]: row for row in mistok("-c", path, "check", "--connect", "--json").json()["connections"]}
    assert "can be written to" in [one["text"] for one in told["goods"]["checks"]]


def test_an_inbox_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    path = _client(tmp_path)
    (tmp_path / "site" / "orders").rmdir()
    said = mistok("-c", path, "check", "--connect", "--json")
    assert said.code == 3, said.all
    told = {row["folder"]: row for row in said.json()["connections"]}
    assert [finding["code"] for finding in told["orders"]["findings"]] == ["folder-missing"]
