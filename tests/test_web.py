"""The web app: classes, enrolling, answers, downloads; what is refused, what is secret, and what is left behind."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from a2m2.errors import ConfigError, OutputError
from a2m2.recognize import Recognizer
from a2m2.web import work
from a2m2.web.guard import is_own_host
from a2m2.web.limits import Limits
from a2m2.web.routes import PAGE
from recognize_fixtures import small, squares
from tiny_clips import moving_square
from web_fixtures import Clock, run, served, square, video


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the server keeps its files; nothing may be left there, nor anything written to the common cache."""
    folder, cache = tmp_path / "temporary", tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("A2M2_CACHE", str(cache))
    yield folder
    assert list(folder.iterdir()) == []
    assert not cache.exists()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    path = folder / "actions.a2m2"
    small(folder / "cache").fit(*squares(("down", "left"))).save(path)
    return path


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# --- from clips to answers ---


def test_from_uploads_to_answers_and_downloads(temporary: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served() as (person,):
            state = await person.teach("left", "down")
            assert state["model"]["current"]
            assert state["model"]["num_tested"] == 6
            assert [one["label"] for one in state["model"]["classes"]] == ["down", "left"]
            assert any("guessing would be 50 %" in line for line in state["model"]["lines"])
            assert all(len(clip["pictures"]) == 8 for one in state["classes"] for clip in one["clips"])

            state = await person.query("new.mp4", square("left", 77))
            (answer,) = state["answers"]
            assert (answer["kind"], answer["name"]) == ("clip", "new.mp4")
            assert answer["ranked"][0]["label"] == "left"
            assert sum(one["probability"] for one in answer["ranked"]) == pytest.approx(1)

            detail = await person.ask("GET", f"/api/answers/{answer['key']}")
            plan = detail["plan"]
            assert plan["support"]["class"] == "left"
            assert re.fullmatch(r"left-\d\.mp4", plan["support"]["name"])
            assert sum(link["mass"] for link in plan["links"]) == pytest.approx(1, abs=0.05)
            assert all(
                0 <= one["x"] <= 1 for side in ("query", "support") for one in plan[side]["candidates"]
            )
            for address in (plan["query"]["pictures"][0], plan["support"]["pictures"][-1]):
                async with person.client.get(f"/{address}") as response:
                    assert (await response.read())[:2] == b"\xff\xd8"

            async with person.client.get("/api/results.csv") as response:
                (row,) = csv.DictReader(io.StringIO(await response.text()))
            assert (row["clip"], row["class_1"]) == ("new.mp4", "left")
            (answered,) = await person.ask("GET", "/api/results.json")
            assert answered["clip"] == "new.mp4"
            async with person.client.get("/api/actions.a2m2") as response:
                (tmp_path / "got.a2m2").write_bytes(await response.read())
            got = Recognizer.load(tmp_path / "got.a2m2", cache=tmp_path / "own")
            assert got.enrolled_.supports[0].name == "left/left-0.mp4"
            assert got.predict([moving_square("left", 77)]).tolist() == ["left"]
            # The clip that was asked about is gone, those that are enrolled are there.
            (root,) = temporary.iterdir()
            (own,) = root.iterdir()
            assert len([path for path in own.iterdir() if path.is_file()]) == 6

    run(scenario)


def test_a_recording_is_searched(temporary: Path) -> None:
    pauses = [moving_square("still", 5)] * 2
    frames = np.concatenate([*pauses, moving_square("left", 8), *pauses, moving_square("down", 9)])

    async def scenario() -> None:
        async with served() as (person,):
            await person.teach("left", "down")
            state = await person.query("match.mp4", video(frames), kind="search")
            assert state["problem"] == ""
            (answer,) = state["answers"]
            assert answer["kind"] == "recording"
            detail = await person.ask("GET", f"/api/answers/{answer['key']}")
            assert detail["duration"] == pytest.approx(len(frames) / 16)
            assert len(detail["segments"]) == answer["num_segments"]
            assert len(detail["curve"]["best"]) == len(detail["curve"]["seconds"])
            for kind, begins in (("csv", "video,class,start"), ("json", "["), ("vtt", "WEBVTT")):
                async with person.client.get(f"/api/answers/{answer['key']}/segments.{kind}") as response:
                    assert (await response.text()).startswith(begins)
            await person.ask("GET", f"/api/answers/{answer['key']}/query/0", status=404)
            assert await person.ask("GET", "/api/results.json") == []

    run(scenario)


def test_a_model_is_shown_extended_and_rearranged(model: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        template = Recognizer.load(model, num_threads=1)
        async with served(template=template) as (person,):
            state = await person.idle()
            assert [(one["name"], len(one["clips"])) for one in state["classes"]] == [
                ("down", 3),
                ("left", 3),
            ]
            assert state["model"]["current"]
            down, left = state["classes"]
            await person.ask("PATCH", f"/api/classes/{down['key']}", json={"name": "fall"})
            await person.ask("DELETE", f"/api/clips/{left['clips'][0]['key']}")
            state = await person.teach("right", clips=2)
            counts = {one["label"]: one["num_clips"] for one in state["model"]["classes"]}
            assert counts == {"fall": 3, "left": 2, "right": 2}
            state = await person.query("new.mp4", square("right", 50))
            assert state["answers"][0]["ranked"][0]["label"] == "right"
            # The others start from the file as it is.
            assert template.classes_.tolist() == ["down", "left"]

    run(scenario)


def test_classes_change_and_the_answers_stay_those_of_the_enrolled_ones(temporary: Path) -> None:
    async def scenario() -> None:
        async with served() as (person,):
            state = await person.teach("left", "down", clips=1)
            left = state["classes"][0]
            state = await person.ask("PATCH", f"/api/classes/{left['key']}", json={"name": " to the\tleft "})
            assert state["classes"][0]["name"] == "to the left"
            assert not state["model"]["current"]
            state = await person.query("new.mp4", square("left", 4))
            assert {one["label"] for one in state["answers"][0]["ranked"]} == {"left", "down"}
            again = await person.upload(left["key"], "left-0.mp4", square("left", 9))
            assert again["name"] == "left-0.mp4 (2)"
            await person.ask("DELETE", f"/api/clips/{again['key']}")
            await person.ask("DELETE", f"/api/clips/{again['key']}", status=404)
            state = await person.ask("DELETE", f"/api/classes/{left['key']}")
            assert [one["name"] for one in state["classes"]] == ["down"]
            (root,) = temporary.iterdir()
            (own,) = root.iterdir()
            assert len([path for path in own.iterdir() if path.is_file()]) == 1

    run(scenario)


# --- what is refused ---


def test_files_that_are_no_videos_are_refused_in_plain_words(temporary: Path) -> None:
    async def scenario() -> None:
        async with served() as (person,):
            key = await person.add_class("left")
            cases = [
                ("text.mp4", b"hello\n" * 50, "text.mp4 cannot be used: FFmpeg finds no video in it"),
                ("empty.mp4", b"", "empty.mp4 cannot be used: the file is empty; copy or download it again"),
                ("../../etc/passwd", b"x", "passwd cannot be used: "),
                ("C:\\films\\a\x00b.mp4", b"x", "a b.mp4 cannot be used: "),
            ]
            for name, body, expected in cases:
                refused = await person.upload(key, name, body, status=422)
                assert refused["error"].startswith(expected)
                assert "/" not in refused["error"]
            # A video is one whatever it is called.
            kept = await person.upload(key, "notes.txt", square("left", 1))
            assert kept["seconds"] == pytest.approx(1.0)
            (root,) = temporary.iterdir()
            assert len(files_below(root)) == 1
            await person.enrol()
            state = await person.query("text.mp4", b"hello\n" * 50)
            assert state["problem"].startswith("text.mp4 cannot be used: FFmpeg finds no video in it")
            assert str(temporary) not in state["problem"]
            state = await person.query("text.mp4", b"hello\n" * 50, kind="search")
            assert state["problem"].startswith("text.mp4 cannot be used: ")
            assert state["answers"] == []

    run(scenario)


def test_limits_hold_while_a_file_comes_and_for_their_number(temporary: Path) -> None:
    sent = []

    async def scenario() -> None:
        async def endless():
            while True:
                sent.append(1)
                yield b"x" * 100_000

        async with served(limits=Limits(upload_mb=1, clips=2, sessions=1)) as (person,):
            key = await person.add_class("left")
            refused = await person.upload(key, "big.mp4", endless(), status=413)
            assert refused["error"].startswith("big.mp4 is larger than the 1 MB that one file may have")
            (root,) = temporary.iterdir()
            assert files_below(root) == []
            for seed in range(2):
                await person.upload(key, "a.mp4", square("left", seed))
            refused = await person.upload(key, "c.mp4", square("left", 3), status=422)
            assert refused["error"] == "a session takes 2 clips; remove some before you add others"
            person.client.session.cookie_jar.clear()
            refused = await person.ask("POST", "/api/session", status=503)
            assert "try again later" in refused["error"]

    run(scenario)
    assert len(sent) < 200


def test_names_and_steps_out_of_order_are_refused() -> None:
    async def scenario() -> None:
        async with served() as (person,):
            await person.add_class("left")
            for name, expected in [
                ("left", "there is a class “left” already"),
                ("unknown", "that is the answer for clips of no class"),
                ("  ", "a class needs a name"),
            ]:
                refused = await person.ask("POST", "/api/classes", json={"name": name}, status=422)
                assert expected in refused["error"]
            await person.ask("POST", "/api/classes", json=["left"], status=400)
            await person.ask("POST", "/api/classes", data=b"\xff", status=400)
            refused = await person.ask("POST", "/api/enrol", status=422)
            assert "there is no clip in left" in refused["error"]
            for method, path in [("PUT", "/api/queries"), ("GET", "/api/actions.a2m2")]:
                refused = await person.ask(method, path, status=422)
                assert "nothing is enrolled yet" in refused["error"]
            await person.ask("GET", "/api/nothing", status=404)
            await person.ask("GET", "/page/..%2Frouting.py", status=404)

    run(scenario)


def test_a_job_that_crashes_leaves_the_session_alive(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise failures.pop()

    failures: list[BaseException] = [
        ZeroDivisionError("/secret/place"),
        OutputError("cannot write /secret/place: no space"),
        MemoryError(),
    ]

    async def scenario() -> None:
        async with served() as (person,):
            key = await person.add_class("left")
            await person.upload(key, "a.mp4", square("left", 1))
            with monkeypatch.context() as patch:
                patch.setattr(work, "enrol_collection", crash)
                for expected in ("ran out of memory", "disk may be full", "this failed on the server"):
                    state = await person.enrol()
                    assert expected in state["problem"]
                    assert "secret" not in state["problem"]
            state = await person.enrol()
            assert (state["problem"], state["model"]["num_clips"]) == ("", 1)

    run(scenario)
    assert "/secret/place" in caplog.text


# --- sessions ---


def test_two_people_never_see_each_others_clips(temporary: Path) -> None:
    async def scenario() -> None:
        async with served(people=2) as (first, second):
            state = await first.teach("left", clips=1)
            await first.query("mine.mp4", square("left", 2))
            state = await first.idle()
            clip, answer = state["classes"][0]["clips"][0], state["answers"][0]["key"]
            other = await second.idle()
            assert (other["classes"], other["answers"], other["model"]) == ([], [], None)
            for path in (clip["pictures"][0], f"api/answers/{answer}", f"api/answers/{answer}/query/0"):
                await second.ask("GET", f"/{path}", status=404)
            await second.ask("DELETE", f"/api/clips/{clip['key']}", status=404)
            await second.ask("PUT", f"/api/classes/{state['classes'][0]['key']}/clips", data=b"x", status=404)
            (root,) = temporary.iterdir()
            folders = list(root.iterdir())
            assert len(folders) == 2
            assert {stat.S_IMODE(folder.stat().st_mode) for folder in (root, *folders)} == {0o700}
            second.client.session.cookie_jar.clear()
            refused = await second.ask("GET", "/api/state", status=401)
            assert "this session has ended" in refused["error"]

    run(scenario)


def test_the_cookie_is_out_of_reach_of_pages() -> None:
    async def scenario() -> None:
        async with served() as (person,):
            person.client.session.cookie_jar.clear()
            async with person.client.post("/api/session") as response:
                cookie = response.headers["Set-Cookie"]
            assert re.match(r"a2m2-\d+=[\w-]{43};", cookie)
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            async with person.client.post("/api/session") as response:
                assert "Set-Cookie" not in response.headers

    run(scenario)


def test_a_session_ends_when_it_is_closed_left_or_idle(temporary: Path) -> None:
    clock = Clock()

    async def gone() -> None:
        for _ in range(100):
            (root,) = temporary.iterdir()
            if not list(root.iterdir()):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the session's folder is still there")

    async def scenario() -> None:
        async with served(limits=Limits(idle_minutes=5, leave_seconds=10), clock=clock) as (person,):
            await person.teach("left", clips=1)
            await person.ask("DELETE", "/api/session")
            await gone()

            first = (await person.enter())["visit"]
            second = (await person.enter())["visit"]
            await person.ask("POST", f"/api/leave?visit={first}")
            clock.now += 60
            await asyncio.sleep(0.1)
            await person.idle()
            await person.ask("POST", f"/api/leave?visit={second}")
            clock.now += 9
            reloaded = (await person.enter())["visit"]
            clock.now += 60
            await asyncio.sleep(0.1)
            await person.idle()
            await person.ask("POST", f"/api/leave?visit={reloaded}")
            clock.now += 11
            await gone()

            await person.enter()
            clock.now += 299
            await asyncio.sleep(0.1)
            await person.idle()
            clock.now += 301
            await gone()
            await person.ask("GET", "/api/state", status=401)

    run(scenario)


def test_closing_stops_the_work_and_leaves_nothing(temporary: Path) -> None:
    async def scenario() -> None:
        async with served() as (person,):
            key = await person.add_class("left")
            for seed in range(4):
                await person.upload(key, "a.mp4", square("left", seed))
            await person.ask("POST", "/api/enrol")
            await person.ask("POST", "/api/enrol", status=409)
            await person.ask("DELETE", "/api/session")
            (root,) = temporary.iterdir()
            assert list(root.iterdir()) == []

    run(scenario)


# --- who may ask ---


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8642", True),
        ("localhost:1", True),
        ("[::1]:80", True),
        ("192.168.1.7:8642", True),
        ("box.lan:8642", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_host_name_that_could_be_rebound_is_foreign(host: str, own: bool) -> None:
    assert is_own_host(host, "box.lan") is own


def test_other_sites_are_refused_and_every_answer_says_what_the_page_may_do() -> None:
    async def scenario() -> None:
        async with served() as (person,):
            await person.ask("GET", "/api/state", headers={"Host": "evil.example"}, status=421)
            for headers in (
                {"Origin": "https://evil.example"},
                {"Origin": "null"},
                {"Origin": "http://["},
                {"Origin": "http://127.0.0.1:1"},
                {"Sec-Fetch-Site": "cross-site"},
            ):
                await person.ask("POST", "/api/enrol", headers=headers, status=403)
            own = str(person.client.make_url("/")).rstrip("/")
            headers = {"Origin": own, "Sec-Fetch-Site": "same-origin"}
            await person.ask("POST", "/api/classes", json={"name": "a"}, headers=headers)
            for path in ("/", "/page/app.js", "/api/state", "/api/nothing"):
                async with person.client.get(path) as response:
                    policy = response.headers["Content-Security-Policy"]
                    assert policy.startswith("default-src 'self';")
                    assert "unsafe" not in policy
                    assert response.headers["X-Content-Type-Options"] == "nosniff"
                    assert response.headers["Cache-Control"] == "no-store"

    run(scenario)


def test_the_page_asks_nobody_else() -> None:
    namespace = "http://www.w3.org/2000/svg"
    names = {path.name for path in PAGE.iterdir()}
    assert {"index.html", "style.css", "app.js"} <= names
    for path in PAGE.iterdir():
        text = path.read_text().replace(namespace, "")
        assert not re.search(r"https?://|@import|url\(|innerHTML|eval\(|<style|<script>| style=", text), path
        assert text.count("\n") < 400, path
        imported = re.findall(r'from "\./([\w.]+)"', text)
        assert set(imported) <= names, path


def test_limits_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="expected clips above 0, got 0; give more"):
        Limits(clips=0)
