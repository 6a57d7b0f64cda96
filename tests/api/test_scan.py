"""A folder is scanned: its files, its chunks, its tables and its page."""

from __future__ import annotations

import errno
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probing_core.api import scan as scanning
from probing_core.api.predictor import Predictor
from probing_core.api.scan import Chunks, find_files, promise_of, scan, thumbnails_of, write_page
from probing_core.cli import main
from probing_core.compute.live import ANSWERS, cut
from probing_core.detector.detector import turned_gray
from probing_core.errors import BadConfig, BadRun
from probing_core.images import encode_jpeg, encode_png, read_image
from probing_core.run.options import Options
from probing_core.run.stages import run
from probing_core.transforms import resolve
from tests.conftest import scene


def test_a_link_counts_as_changed_when_its_picture_is(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    picture = mine / "picture.bin"
    picture.write_bytes(b"one picture")
    (mine / "link.png").symlink_to(picture)
    (mine / "lost.png").symlink_to(mine / "nowhere.bin")
    (mine / "itself.png").symlink_to("itself.png")
    before = {file.name: file.stamp for file in find_files(mine, apart=tmp_path)}
    picture.write_bytes(b"another picture")
    after = {file.name: file.stamp for file in find_files(mine, apart=tmp_path)}
    assert before.keys() == after.keys() == {"link.png", "lost.png", "itself.png"}
    assert before["link.png"] != after["link.png"]
    assert before["lost.png"] == after["lost.png"]


def test_a_file_that_is_removed_while_the_folder_is_listed_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "1.png").touch()
    (tmp_path / "2.png").touch()
    monkeypatch.setattr(scanning, "leads_out", lambda path, folder: path.name == "1.png" and path.unlink())
    assert [file.name for file in find_files(tmp_path, apart=tmp_path / "out")] == ["2.png"]


def test_a_folder_that_cannot_be_listed_ends_the_scan_before_it_begins(tmp_path, unlistable):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "1.png").touch()
    unlistable(tmp_path / "a" / "b")
    with pytest.raises(BadConfig, match=r"b' cannot be listed \(Permission denied\)"):
        find_files(tmp_path / "a", apart=tmp_path / "out")
    (tmp_path / "itself").symlink_to("itself")
    with pytest.raises(BadConfig, match="is no folder"):
        find_files(tmp_path / "itself", apart=tmp_path / "out")


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_pixels")]

CHUNK = 16  # so that a hundred files make several


@pytest.fixture(scope="module", autouse=True)
def small_chunks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "CHUNK", CHUNK)
        yield


RESULTS = ("verdicts.csv", "verdicts.parquet", "index.html")


@pytest.fixture(scope="module")
def made(tmp_path_factory, many_scenes) -> Path:
    """A run with a detector of views of 32 pixels."""
    clean = tmp_path_factory.mktemp("calibrate")
    for i in range(110):
        (clean / f"{i:03d}.png").write_bytes(encode_png(scene(1000 + i, 46)))
    out = tmp_path_factory.mktemp("scanned") / "run"
    options = Options(
        corpus=f"folder:{many_scenes}",
        view=32,
        models=("baseline/pixels",),
        transforms=("gamma", "gaussian-blur"),
        calibrate_on=(f"folder:{clean}",),
    )
    run(out, options, ("embed", "train"))
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """100 pictures in two folders: untouched, blurred, gray, large ones; and files that are no pictures."""
    folder = tmp_path_factory.mktemp("folder") / "mine"
    blur = resolve("gaussian-blur")
    for i in range(100):
        picture = scene(3000 + i, 120 if i % 50 == 7 else 44)
        if i % 3 == 1:
            picture = blur.apply(picture, 3.0, np.random.default_rng(i))
        if i % 50 == 12:
            picture = turned_gray(picture)
        path = folder / ("a" if i < 70 else "b <i>&") / f"{i:03d}.{'jpg' if i % 5 == 0 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(picture, 95) if path.suffix == ".jpg" else encode_png(picture))
    (folder / "a" / "broken.png").write_bytes(b"no picture")
    (folder / "a" / "cut.png").write_bytes(encode_png(scene(0, 44))[:300])
    (folder / "notes.txt").write_text("not scanned")
    (folder / ".hidden.png").write_bytes(b"not scanned")
    return folder


def contents(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file() and "log" not in path.relative_to(out).parts]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def scanned(made, folder, tmp_path_factory) -> tuple[Path, scanning.Scan]:
    out = tmp_path_factory.mktemp("out") / "scan"
    return out, scan(folder, out, made, threads=2)


def test_every_file_has_its_verdict(scanned, folder, made):
    out, found = scanned
    table = pd.read_parquet(out / "verdicts.parquet")
    assert list(table["path"]) == sorted(table["path"], key=lambda p: p.split("/"))
    assert len(table) == 102
    assert found.counts == dict(Counter(table["verdict"]))
    predictor = Predictor(made)
    for row in table[table["error"] == ""].iloc[::17].itertuples():
        (answer,) = predictor.ask("detector", [cut(read_image(folder / row.path), 32)])
        verdict = answer.verdict
        assert (row.verdict, row.n, row.no_color) == (answer.answer(), verdict.n, verdict.no_color)
        assert row.p == pytest.approx(verdict.p)
        assert row.group == (verdict.group or "")
    assert table["q"].isna().all()
    assert "no error rate is promised" in found.promise
    assert table.loc[table["path"].str.contains("/007|/057"), "flags"].str.startswith("large").all()
    assert table.loc[table["path"].str.contains("/012|/062"), "no_color"].all()


def test_the_tables_and_the_page_agree_and_bad_files_get_one_sentence_each(scanned):
    out, found = scanned
    csv = pd.read_csv(out / "verdicts.csv", keep_default_na=False, na_values={"p": "", "q": ""})
    table = pd.read_parquet(out / "verdicts.parquet")
    assert list(csv["path"]) == list(table["path"])
    np.testing.assert_allclose(csv["p"], table["p"])
    assert list(csv["verdict"]) == list(table["verdict"])
    page = re.findall('<td class="[a-z]+">(.*?)</td>', (out / "index.html").read_text())
    assert Counter(page) == Counter(table["verdict"])
    assert set(page) <= {*ANSWERS, "unreadable"}
    assert found.counts["unreadable"] == len(found.errors) == 2
    bad = table[table["verdict"] == "unreadable"].set_index("path")["error"]
    assert set(bad.index) == {"a/broken.png", "a/cut.png"}
    assert all("\n" not in error and error for error in bad)


def test_the_page_marks_alarms_and_nothing_else(tmp_path):
    answers = (*ANSWERS, "unreadable")
    rows = {
        "path": answers,
        "verdict": answers,
        "class": "",
        "group": "",
        "group_probability": 1.0,
        "class_probability": 1.0,
        "error": "",
        "flags": "",
        "thumbnail": b"",
    }
    write_page(tmp_path, tmp_path, [pd.DataFrame(rows).assign(p=0.005, n=199, q=np.nan)], dict.fromkeys(answers, 1), [])
    marks = re.findall('<td class="([a-z]+)">(.*?)</td>', (tmp_path / "index.html").read_text())
    assert {answer for mark, answer in marks if mark == "found"} == {"altered", "rather altered"}
    assert {answer for mark, answer in marks if mark == "bad"} == {"unreadable"}
    assert len(marks) == len(answers)
    assert (tmp_path / "index.html").read_text().count("0 of 199 (0.0%)") == len(answers)


def test_of_what_is_perhaps_no_photograph_the_tables_and_the_page_say_nothing_else(made, tmp_path):
    folder, out = tmp_path / "mine", tmp_path / "scan"
    folder.mkdir()
    (folder / "white.png").write_bytes(encode_png(np.full((200, 200, 3), 250, np.uint8)))
    assert scan(folder, out, made).counts == {"perhaps no photograph": 1}
    (row,) = pd.read_csv(out / "verdicts.csv").to_dict("records")
    assert row["verdict"] == "perhaps no photograph"
    assert row["n"] > 0, "the numbers stay"
    line = re.search("<tbody>(.*?)</tbody>", (out / "index.html").read_text(), re.DOTALL)[1]
    assert ">perhaps no photograph</td><td></td>" in line
    assert " of " not in line


def test_the_page_shows_all_escaped_and_fetches_nothing(scanned):
    out, found = scanned
    text = (out / "index.html").read_text()
    assert text.count("<tr") == 1 + 102
    assert text.count("Scan of mine") == 2
    assert promise_of(out) == found.promise in text
    assert "b &lt;i&gt;&amp;/099.png" in text
    assert "<i>" not in text
    pictures = re.findall(r'<img [^>]*src="([^"]*)"', text)
    assert len(pictures) == text.count("<img") == 100
    assert all(address.startswith("data:image/webp;base64,") for address in pictures)
    assert "http" not in text.replace("http-equiv", "")
    assert "<a " not in text, "links would be dead for whoever is sent the page"


def test_thumbnails_are_found_by_their_rows(scanned, tmp_path):
    out, _ = scanned
    chunks = pd.concat([pd.read_parquet(path) for path in sorted((out / "chunks").glob("*.parquet"))])
    rows = [CHUNK, 3, 101, CHUNK - 1, 0]
    assert thumbnails_of(out, [*rows, 102, 10_000]) == [*chunks["thumbnail"].iloc[rows], b"", b""]
    assert thumbnails_of(tmp_path, [0]) == [b""]


def test_a_second_scan_measures_nothing(scanned, folder, made, monkeypatch):
    out, found = scanned
    before = contents(out)
    assert {path.name for path in out.iterdir()} <= set(scanning.WRITTEN)
    monkeypatch.setattr(scanning, "examine", lambda *a, **k: pytest.fail("measured again"))
    assert scan(folder, out, made) == found
    assert contents(out) == before


def test_killed_five_times_it_ends_with_the_same_bytes(scanned, folder, made, tmp_path, monkeypatch):
    out, _ = scanned
    other = tmp_path / "scan"
    plain, kills = Chunks.write, []

    class Killed(BaseException):
        pass

    def dying(self, index, rows):
        if len(kills) < 5 and len(kills) % 2 == 0:
            kills.append(index)
            raise Killed  # before it is written
        plain(self, index, rows)
        if len(kills) < 5:
            kills.append(index)
            raise Killed  # just after

    monkeypatch.setattr(Chunks, "write", dying)
    for _ in range(5):
        with pytest.raises(Killed):
            scan(folder, other, made, threads=2)
    scan(folder, other, made, threads=2)
    assert len(kills) == 5
    assert contents(other) == contents(out)


def test_a_changed_file_is_scanned_again_and_others_are_not(made, folder, tmp_path, monkeypatch):
    mine = Path(shutil.copytree(folder, tmp_path / "mine"))
    out = tmp_path / "scan"
    scan(mine, out, made)
    seen: list[str] = []
    plain = scanning.examine

    def watching(file, **keywords):
        seen.append(file.name)
        return plain(file, **keywords)

    monkeypatch.setattr(scanning, "examine", watching)
    (mine / "a" / "001.png").write_bytes(encode_png(scene(1, 50)))
    scan(mine, out, made)
    assert "a/001.png" in seen
    assert len(seen) == CHUNK
    assert pd.read_parquet(out / "verdicts.parquet").set_index("path").loc["a/001.png", "width"] == 50
    shutil.rmtree(mine / "b <i>&")
    scan(mine, out, made)
    assert len(pd.read_parquet(out / "verdicts.parquet")) == 72


def test_trusted_pictures_calibrate(made, folder, tmp_path, monkeypatch):
    clean = tmp_path / "clean"
    clean.mkdir()
    for i in range(120):
        (clean / f"{i}.png").write_bytes(encode_png(scene(7000 + i, 44)))
    found = scan(folder, tmp_path / "scan", made, clean=clean)
    table = pd.read_parquet(tmp_path / "scan" / "verdicts.parquet")
    assert set(table.loc[table["error"] == "", "n"]) == {120}
    assert "120 pictures that you trust" in found.promise
    assert table["q"].isna().all()  # fewer than 500
    untouched = table["path"].str.extract(r"(\d+)\.")[0].astype(float) % 3 != 1
    same_source = table[untouched & (table["error"] == "") & ~table["no_color"] & (table["width"] == 44)]
    assert (same_source["p"] <= 0.05).mean() < 0.15
    monkeypatch.setattr(scanning, "MIN_FOR_Q", 120)
    scan(folder, tmp_path / "scan", made, clean=clean)
    table = pd.read_parquet(tmp_path / "scan" / "verdicts.parquet")
    assert table.loc[table["error"] != "", "q"].isna().all()
    table = table[table["error"] == ""].sort_values("p", kind="stable")
    rate = table["p"] * len(table) / np.arange(1, len(table) + 1)  # Benjamini and Hochberg's, at each rank
    np.testing.assert_allclose(table["q"], [min(1, rate[i:].min()) for i in range(len(table))])
    for path in list(clean.iterdir())[:30]:
        path.unlink()
    with pytest.raises(BadConfig, match="give 100 or more"):
        scan(folder, tmp_path / "other", made, clean=clean)


def test_folders_that_cannot_be_used_are_refused(made, folder, tmp_path, many_scenes):
    with pytest.raises(BadConfig, match="no folder"):
        scan(tmp_path / "nothing", tmp_path / "out", made)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(BadConfig, match="holds other files"):
        scan(folder, tmp_path / "full", made)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadConfig, match="holds no picture"):
        scan(tmp_path / "empty", tmp_path / "out", made)
    with pytest.raises(BadConfig, match="between 0 and 1"):
        scan(folder, tmp_path / "out", made, level=5)


def test_a_run_without_detector_says_what_makes_one(trained_run, folder, tmp_path):
    with pytest.raises(BadRun, match="--calibrate-on"):
        scan(folder, tmp_path / "out", trained_run)
    assert not (tmp_path / "out").exists()


def test_results_inside_the_folder_are_not_scanned_and_links_out_of_it_neither(folder, tmp_path):
    mine = Path(shutil.copytree(folder, tmp_path / "mine"))
    (mine / "scan").mkdir()
    shutil.copy(mine / "a" / "001.png", mine / "scan" / "x.png")
    (mine / "link.png").symlink_to(folder / "a" / "001.png")
    names = [file.name for file in find_files(mine, apart=mine / "scan")]
    assert len(names) == 102
    assert "link.png" not in names


def test_the_name_of_a_folder_may_be_no_unicode(folder, made, tmp_path):
    odd = tmp_path / "odd\udcff"
    odd.mkdir()
    shutil.copy(folder / "a" / "001.png", odd / "1.png")
    scan(odd, tmp_path / "out", made)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<td>1.png</td>" in page
    assert "Scan of odd?" in page


def test_a_full_disk_leaves_the_tables_of_before_and_one_sentence(scanned, folder, made, tmp_path, monkeypatch):
    out = tmp_path / "scan"
    shutil.copytree(scanned[0], out)
    before = contents(out)

    def full(*_, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(BadRun, match="No space left on device"):
        scan(folder, out, made, threads=1)
    assert contents(out) == before


def test_the_command(made, folder, tmp_path, capsys):
    out = tmp_path / "scan"
    assert main(["scan", str(folder), "--out", str(out), "--run", str(made)]) == 2  # two files are no pictures
    errors = capsys.readouterr().err
    assert errors.count("error:") == 2
    assert "index.html" in errors
    assert all((out / name).stat().st_size for name in RESULTS)


def test_removing_a_scan_removes_what_it_wrote_and_nothing_else(tmp_path):
    out, mine = tmp_path / "out", tmp_path / "mine.png"
    mine.write_bytes(b"mine")

    def made(*others: str) -> None:
        for name in (*scanning.WRITTEN, "verdicts.csv.0a1b2c3d.probing.tmp", *others):
            if name in ("chunks", "clean", "log"):
                (out / name).mkdir(parents=True)
                (out / name / "file").touch()
            else:
                (out / name).touch()

    out.mkdir()
    made()
    scanning.remove_results(out)
    assert not out.exists()
    out.mkdir()
    made("holiday.png")
    (out / "linked").symlink_to(tmp_path)
    scanning.remove_results(out)
    assert sorted(path.name for path in out.iterdir()) == ["holiday.png", "linked"]
    with pytest.raises(BadConfig, match="holds other files"):
        scanning.remove_results(out)
    (out / "scan.txt").touch()
    (out / "chunks").symlink_to(tmp_path)
    with pytest.raises(BadConfig, match="could not be removed"):
        scanning.remove_results(out)
    assert mine.read_bytes() == b"mine"
    assert (out / "holiday.png").is_file()
