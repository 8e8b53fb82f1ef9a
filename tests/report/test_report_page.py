"""The whole page: self-contained, well-formed, escaped, complete, the same for the same records."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from report_records import SKILLS, Film, Task, write_evidence, write_results

from a2m2.errors import OutputError, RecordError
from a2m2.report import build_report
from a2m2.report.page import SECTIONS, render

VOID = {"meta", "link", "input", "br", "img"}


class Outline(HTMLParser):
    """Tags in order; complains about tags that close what is not open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def words(self) -> str:
        """All text with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.attributes if name in attributes]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything a run can leave."""
    folder = tmp_path_factory.mktemp("results") / "full"
    write_results(folder, Task(alignment=True, timings=True, fit="transductive", notes=("Few <clips>.",)))
    actions = ("turn", "shake", "bounce")
    write_evidence(folder, Film(actions=actions), Film(actions=actions, start=0.3, end=1.0), number=0)
    write_evidence(folder, Film(), Film(class_name="pushing <left>"), number=1, predicted="pushing <left>")
    return folder


@pytest.fixture(scope="module")
def page(full: Path) -> str:
    return render([full])


def test_page_is_well_formed_and_its_links_lead_somewhere(page: str) -> None:
    outline = Outline(page)
    ids = Counter(outline.values("id"))
    assert max(ids.values()) == 1
    for target in outline.values("href"):
        assert target.startswith("data:") or target.removeprefix("#") in ids, target[:80]
    for labels in outline.values("aria-labelledby"):
        assert labels in ids


def test_page_asks_nothing_of_the_network(page: str) -> None:
    outline = Outline(page)
    tags = {tag for tag, _ in outline.attributes}
    assert not tags & {"script", "iframe", "object", "embed", "base"}
    assert not outline.values("src")
    assert not re.search(r"https?://|@import|url\(", page)
    policy = next(a["content"] for _, a in outline.attributes if a.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_every_drawing_is_valid_xml(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) > 10
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("aria-hidden") == "true" or (root.get("role") == "img" and root.get("aria-label"))


def test_every_table_has_a_caption_and_headings(page: str) -> None:
    tables = re.findall(r"<table.*?</table>", page, flags=re.DOTALL)
    assert len(tables) > 6
    for table in tables:
        assert re.search(r"<caption>\s*\S", table)
        assert 'scope="col"' in table


def test_names_are_escaped_everywhere(full: Path, page: str) -> None:
    text = "".join(Outline(page).texts)
    for name in ("waving & nodding", "pushing <left>", 'lifting "up"', "it's turning", "Few <clips>."):
        assert name in text
    assert "<left>" not in page
    assert "<clips>" not in page


@pytest.mark.parametrize(
    "name", ["</style><script>alert(1)</script>", "{{ 7 * 7 }}", "\u202ename", 'x" onload="y']
)
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    write_results(tmp_path, Task(classes=(name, "other", "third"), dataset=name, notes=(name,)))
    write_evidence(
        tmp_path, Film(class_name=name, video=name, actions=(name,)), Film(actions=(name,)), predicted=name
    )
    outline = Outline(render([tmp_path]))
    assert name in "".join(outline.texts)
    assert "script" not in {tag for tag, _ in outline.attributes}
    assert not outline.values("onload")


def test_all_sections_of_a_full_run_stand_in_order(page: str) -> None:
    places = [page.index(f'id="run1-{section.name}"') for section in SECTIONS]
    assert places == sorted(places)


def test_sections_without_content_are_left_out(tmp_path: Path) -> None:
    write_results(tmp_path, Task(methods=("a2m2_net",)))
    page = render([tmp_path])
    for name in ("differences", "pictures", "alignment", "timings"):
        assert f"run1-{name}" not in page
    for name in ("overview", "accuracy", "by_class", "confusion", "reproduce"):
        assert f'id="run1-{name}"' in page


def test_opening_says_what_was_run(page: str) -> None:
    text = Outline(page).words
    assert (
        "40 small tasks were drawn from the 6 classes and 48 videos of tiny-actions (test split). In each, a "
        "method is shown 3 actions, 1 example video of each, and then has to recognise 2 further videos of "
        "every action. Guessing would be right in 33.3 % of cases."
    ) in text
    assert "Please note: transductive fit: the reduction and the mean descriptor saw all clips" in text
    assert "Please note: Few <clips>." in text
    assert "Backbone mobilenet_v2" in text


def test_transductive_note_of_the_run_is_not_repeated(tmp_path: Path) -> None:
    write_results(tmp_path, Task(fit="transductive", notes=("transductive: told by the run",)))
    assert render([tmp_path]).count('role="note"') == 1


def test_the_interval_is_explained(page: str) -> None:
    assert "It does not cover other videos, other classes, or another training" in page


def test_configuration_on_the_page_is_the_run_s(full: Path, page: str) -> None:
    shown = [text for text in Outline(page).texts if text.startswith("data: tiny-actions")]
    assert len(shown) == 1
    assert yaml.safe_load(shown[0])["backbone"] == {"source": "mobilenet_v2", "last_stride": 2}
    assert "a2m2 evaluate --config config.yaml" in page


def test_timings_are_shown_in_fitting_units(page: str) -> None:
    text = Outline(page).words
    assert "features 12.3 s episodes 2.3 min pictures › thumbnails 52 ms" in text


def test_same_records_give_the_same_bytes_and_no_path(full: Path, page: str) -> None:
    assert render([full]) == page
    assert str(full.parent) not in page


def test_page_lands_in_the_first_folder_or_where_asked(full: Path, tmp_path: Path) -> None:
    assert build_report([full]) == full / "report.html"
    elsewhere = tmp_path / "new" / "page.html"
    assert build_report([full], elsewhere) == elsewhere
    assert elsewhere.read_bytes() == (full / "report.html").read_bytes()
    assert [path.name for path in elsewhere.parent.iterdir()] == ["page.html"]


def test_place_that_cannot_be_written(full: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*page\.html: a part of the path is a file"):
        build_report([full], tmp_path / "file" / "page.html")


def test_no_folder_at_all() -> None:
    with pytest.raises(RecordError, match="expected at least one folder of results, got none"):
        build_report([])


@pytest.mark.parametrize(
    "task",
    [
        Task(classes=tuple(f"class {i}" for i in range(100)), methods=tuple(SKILLS), way=5, episodes=60),
        Task(classes=("a", "b"), methods=("a2m2_net",), way=2, query=1, episodes=1, skill=100.0, splits=()),
        Task(classes=tuple("x" * 150 + str(i) for i in range(24)), way=24, query=1, episodes=5),
        Task(skill=-0.7, methods=("mean_feature",), episodes=3),
    ],
    ids=[
        "hundred classes, eight methods",
        "two classes, all right",
        "long names, every class",
        "nothing learnt",
    ],
)
def test_unusual_runs(tmp_path: Path, task: Task) -> None:
    write_results(tmp_path, task)
    page = render([tmp_path])
    Outline(page)
    assert len(page) < 3_000_000
    assert ("proof that the next one would" in page) == (task.skill == 100.0)


def test_without_torch_and_video() -> None:
    code = (
        "import sys, a2m2.report; "
        "print(sorted({'torch', 'av', 'transformers', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
