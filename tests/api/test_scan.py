"""A folder is scanned: its files, its chunks, its tables and its page."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from probing_core.answers.answer import ANSWERS, APART_FROM_COLOR
from probing_core.answers.crops import cut
from probing_core.api import scan as scanning
from probing_core.api import scan_calibration, scan_measure, scan_sources, scan_work
from probing_core.api.predictor import Predictor
from probing_core.api.scan import scan
from probing_core.api.scan_chunks import Chunks, digest
from probing_core.api.scan_measure import UNREAD
from probing_core.api.scan_results import false_discovery_rates, listed, promise_of, read_verdicts, thumbnails_of
from probing_core.api.scan_sources import File, Files, find_files
from probing_core.cli import main
from probing_core.errors import BadConfig, BadRun, RunBusy
from probing_core.images import encode_jpeg, encode_png, read_image
from probing_core.images.quality import turned_gray
from probing_core.transforms import resolve
from tests.conftest import scene
from tests.worker_functions import decode_that_ends


def test_a_link_counts_as_changed_when_its_picture_is(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    picture = mine / "picture.bin"
    picture.write_bytes(b"one picture")
    (mine / "link.png").symlink_to(picture)
    (mine / "lost.png").symlink_to(mine / "nowhere.bin")
    (mine / "itself.png").symlink_to("itself.png")
    before = {file.name: file.stamp for file in find_files(mine, excluded=tmp_path)}
    picture.write_bytes(b"another picture")
    after = {file.name: file.stamp for file in find_files(mine, excluded=tmp_path)}
    assert before.keys() == after.keys() == {"link.png", "lost.png", "itself.png"}
    assert before["link.png"] != after["link.png"]
    assert before["lost.png"] == after["lost.png"]


def test_a_file_that_is_removed_while_the_folder_is_listed_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "1.png").touch()
    (tmp_path / "2.png").touch()
    monkeypatch.setattr(scan_sources, "leads_out", lambda path, folder: path.name == "1.png" and path.unlink())
    assert [file.name for file in find_files(tmp_path, excluded=tmp_path / "out")] == ["2.png"]


def test_a_folder_that_cannot_be_listed_ends_the_scan_before_it_begins(tmp_path, unlistable):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "1.png").touch()
    unlistable(tmp_path / "a" / "b")
    with pytest.raises(BadConfig, match=r"b' cannot be listed \(Permission denied\)"):
        find_files(tmp_path / "a", excluded=tmp_path / "out")
    (tmp_path / "itself").symlink_to("itself")
    with pytest.raises(BadConfig, match="is not a folder"):
        find_files(tmp_path / "itself", excluded=tmp_path / "out")


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_pixels")]

RESULTS = ("verdicts.csv", "verdicts.parquet", "index.html")


@pytest.fixture(scope="module")
def made(detector_run) -> Path:
    return detector_run


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


def test_scan_answers_for_every_file_as_the_predictor_does(scanned, folder, made):
    out, found = scanned
    table = pd.read_parquet(out / "verdicts.parquet")
    assert list(table["path"]) == sorted(table["path"], key=lambda p: p.split("/"))
    assert len(table) == 102
    assert found.counts == dict(Counter(table["answer"]))
    predictor = Predictor(made)
    for row in table[table["error"] == ""].iloc[::17].itertuples():
        (answer,) = predictor.ask("detector", [cut(read_image(folder / row.path), 32)])
        evidence = answer.evidence
        assert (row.answer, row.n, row.no_color) == (answer.word(), evidence.n, evidence.no_color)
        assert row.p == pytest.approx(evidence.p)
        probability = answer.probability()
        assert row.edited == pytest.approx(np.nan if probability is None else probability, nan_ok=True)
        assert (row.group != "") == (row.answer in ("edited", "probably edited"))
    assert table["q"].isna().all()
    assert "no error rate is guaranteed" in found.promise
    assert table.loc[table["path"].str.contains("/007|/057"), "flags"].str.startswith("large").all()
    assert table.loc[table["path"].str.contains("/012|/062"), "no_color"].all()


def test_scan_writes_the_same_answers_into_tables_and_page(scanned):
    out, found = scanned
    csv = pd.read_csv(out / "verdicts.csv", keep_default_na=False, na_values={"p": "", "q": "", "edited": ""})
    table = pd.read_parquet(out / "verdicts.parquet")
    assert list(csv["path"]) == list(table["path"])
    np.testing.assert_allclose(csv["p"], table["p"])
    assert list(csv["answer"]) == list(table["answer"])
    html = (out / "index.html").read_text().replace(f"{APART_FROM_COLOR}: ", "")
    page = re.findall('<td class="[a-z]+"[^>]*>([a-z ]*[a-z])', html)
    page = [answer for answer in page if answer in {*ANSWERS, "unreadable"}]
    assert Counter(page) == Counter(table["answer"])
    assert found.counts["unreadable"] == len(found.errors) == 2
    bad = table[table["answer"] == "unreadable"].set_index("path")["error"]
    assert set(bad.index) == {"a/broken.png", "a/cut.png"}
    assert all("\n" not in error and error for error in bad)


def test_scan_lists_files_without_color_apart(scanned):
    out, _ = scanned
    color, gray = (out / "index.html").read_text().split("<h2>Images without color</h2>")
    assert all(name in gray for name in ("a/012.png", "a/062.png"))
    assert not re.search("(012|062).png", color)
    assert "not with original grayscale photographs" in gray


def test_listed_sorts_by_q_then_p_then_probability_and_files_without_an_answer_come_last():
    rows = pd.DataFrame(
        {
            "path": list("abcdef"),
            "q": [0.2, 0.1, 0.2, np.nan, 0.2, np.nan],
            "p": [0.02, 0.5, 0.01, np.nan, 0.01, 0.001],
            "edited": [0.9, 0.1, 0.6, np.nan, 0.7, 0.99],
            "answer": ["edited"] * 5 + ["may not be a photograph"],
        }
    )
    assert "".join(listed(rows)["path"]) == "becadf"


def test_false_discovery_rates_are_those_of_benjamini_and_hochberg():
    p = np.random.default_rng(0).uniform(size=50) ** 2
    order = np.argsort(p)
    rate = p[order] * len(p) / np.arange(1, len(p) + 1)
    expected = np.array([min(1, rate[i:].min()) for i in range(len(p))])
    np.testing.assert_allclose(false_discovery_rates(p)[order], expected)
    assert len(false_discovery_rates(p[:0])) == 0


def test_scan_says_nothing_else_of_what_is_perhaps_no_photograph(made, tmp_path):
    folder, out = tmp_path / "mine", tmp_path / "scan"
    folder.mkdir()
    (folder / "white.png").write_bytes(encode_png(np.full((200, 200, 3), 250, np.uint8)))
    assert scan(folder, out, made).counts == {"may not be a photograph": 1}
    (row,) = pd.read_csv(out / "verdicts.csv").to_dict("records")
    assert row["answer"] == "may not be a photograph"
    assert row["n"] > 0
    assert row["p"] > 0, "the p-value is still reported"
    assert np.isnan(row["edited"])
    line = re.search("<tbody>(.*?)</tbody>", (out / "index.html").read_text(), re.DOTALL)[1]
    assert ">may not be a photograph</td><td></td>" in line
    assert " of " not in line


def test_the_page_shows_all_escaped_and_fetches_nothing(scanned):
    out, found = scanned
    text = (out / "index.html").read_text()
    assert text.count("<tr") == 2 + 102
    assert text.count("Scan of mine") == 2
    assert promise_of(out) == found.promise in text
    assert "b &lt;i&gt;&amp;/099.png" in text
    assert dict(found.labels.counts) == {"a": 70, "b <i>&": 30}
    assert found.labels.sentences[0] in text
    assert "b &lt;i&gt;&amp;: 1 size" in text or "b &lt;i&gt;&amp;: 2 sizes" in text
    assert "<i>" not in text
    pictures = re.findall(r'<img [^>]*src="([^"]*)"', text)
    assert len(pictures) == text.count("<img") == 100
    assert all(address.startswith("data:image/webp;base64,") for address in pictures)
    assert "http" not in text.replace("http-equiv", "")
    assert "<a " not in text, "links would be dead for whoever is sent the page"


def test_thumbnails_are_found_by_their_rows(scanned, tmp_path):
    out, _ = scanned
    chunks = pd.concat([pd.read_parquet(path) for path in (out / "chunks").glob("*.parquet")]).set_index("path")
    paths = pd.read_parquet(out / "verdicts.parquet")["path"]
    rows = [64, 3, 101, 63, 0]
    assert thumbnails_of(out, [*rows, 102, 10_000]) == [*chunks.loc[paths.iloc[rows], "thumbnail"], b"", b""]
    assert thumbnails_of(tmp_path, [0]) == [b""]


def test_a_second_scan_measures_nothing(scanned, folder, made, monkeypatch):
    out, found = scanned
    before = contents(out)
    assert {path.name for path in out.iterdir()} <= {*scanning.WRITTEN, "log"}
    monkeypatch.setattr(scan_work, "measure", lambda *a, **k: pytest.fail("measured again"))
    assert scan(folder, out, made) == found
    assert contents(out) == before


def test_a_scan_that_is_killed_around_each_chunk_ends_with_the_same_bytes(scanned, folder, made, tmp_path, monkeypatch):
    out, _ = scanned
    other = tmp_path / "scan"
    plain, kills = Chunks.write, []

    class Killed(BaseException):
        pass

    def dying(self, index, *contents):
        kills.append(index)
        if len(kills) % 2 == 0:
            plain(self, index, *contents)
        raise Killed  # before it is written, or just after

    count = len(list((out / "chunks").glob("*.parquet")))
    with monkeypatch.context() as patch:
        patch.setattr(Chunks, "write", dying)
        for _ in range(2 * count):
            with pytest.raises(Killed):
                scan(folder, other, made, threads=2)
    scan(folder, other, made, threads=2)
    assert contents(other) == contents(out)


def files_named(names: list[str]) -> Files:
    return Files("files", [File(f"/{name}", name, (1, 1)) for name in sorted(names)])


def parts_of(chunks: Chunks) -> list[list[File]]:
    return [part.place for part in chunks.source.parts]


@pytest.mark.parametrize("new", ["a.jpg", "img-0320b.jpg", "z.jpg"])
def test_one_new_file_in_a_folder_of_640_costs_one_chunk(tmp_path, new):
    names = [f"img-{i:04d}.jpg" for i in range(640)]
    settings = digest("settings")
    before = Chunks(tmp_path, files_named(names), settings)
    assert 4 <= len(parts_of(before)) <= 20
    for i, chunk in enumerate(parts_of(before)):
        before.write(i, [UNREAD | {"path": file.name} for file in chunk])
    after = Chunks(tmp_path, files_named([*names, new]), settings)
    missing = after.missing()
    again = [file.name for i in missing for file in parts_of(after)[i]]
    assert new in again
    assert len(again) <= max(map(len, parts_of(before))) + 1
    for i in missing:
        after.write(i, [UNREAD | {"path": file.name} for file in parts_of(after)[i]])
    after.remove_others()
    assert [name for rows in after.read() for name in rows["path"]] == sorted([*names, new])
    assert len(list(tmp_path.glob("*.parquet"))) == len(parts_of(after))


def test_a_changed_file_is_measured_again_and_other_chunks_are_not(made, folder, tmp_path, monkeypatch):
    mine = Path(shutil.copytree(folder, tmp_path / "mine"))
    out = tmp_path / "scan"
    scan(mine, out, made)
    seen: list[str] = []
    plain = scan_work.measure

    def watching(item, **keywords):
        seen.append(item.name)
        return plain(item, **keywords)

    monkeypatch.setattr(scan_work, "measure", watching)
    (mine / "a" / "001.png").write_bytes(encode_png(scene(1, 50)))
    scan(mine, out, made)
    assert "a/001.png" in seen
    assert len(seen) < 102
    assert pd.read_parquet(out / "verdicts.parquet").set_index("path").loc["a/001.png", "width"] == 50
    shutil.rmtree(mine / "b <i>&")
    scan(mine, out, made)
    assert len(pd.read_parquet(out / "verdicts.parquet")) == 72


def test_a_file_that_ends_its_process_is_one_unreadable_row(made, folder, tmp_path, monkeypatch):
    mine, out = Path(shutil.copytree(folder, tmp_path / "mine")), tmp_path / "scan"
    monkeypatch.setattr(scan_measure, "decode", decode_that_ends)
    found = scan(mine, out, made, threads=2)
    table = pd.read_parquet(out / "verdicts.parquet").set_index("path")
    assert table.at["a/002.png", "answer"] == "unreadable"
    assert "could not be decoded" in table.at["a/002.png", "error"]
    assert found.counts["unreadable"] == 3
    assert (table["answer"] != "unreadable").sum() == 99
    (mine / "z.png").write_bytes(encode_png(scene(1, 50)))
    assert scan(mine, out, made, threads=2).counts["unreadable"] == 3, "it is resumed"


@pytest.fixture(scope="module")
def clean_folder(tmp_path_factory) -> Path:
    clean = tmp_path_factory.mktemp("clean")
    for i in range(120):
        (clean / f"{i}.png").write_bytes(encode_png(scene(7000 + i, 44)))
    return clean


def test_clean_images_calibrate(made, folder, clean_folder, tmp_path):
    clean = Path(shutil.copytree(clean_folder, tmp_path / "clean"))
    found = scan(folder, tmp_path / "scan", made, clean=clean)
    table = pd.read_parquet(tmp_path / "scan" / "verdicts.parquet")
    assert set(table.loc[table["error"] == "", "n"]) == {120}
    assert "120 of your clean images" in found.promise
    assert table["q"].isna().all()  # fewer than 500
    unedited = table["path"].str.extract(r"(\d+)\.")[0].astype(float) % 3 != 1
    same_source = table[unedited & (table["error"] == "") & ~table["no_color"] & (table["width"] == 44)]
    assert (same_source["p"] <= 0.05).mean() < 0.15
    for path in list(clean.iterdir())[:30]:
        path.unlink()
    with pytest.raises(BadConfig, match="Provide at least 100 clean color images"):
        scan(folder, tmp_path / "other", made, clean=clean)


def test_scan_with_enough_clean_images_has_q_apart_for_images_without_color(
    made, folder, clean_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(scan_calibration, "MIN_FOR_Q", 120)
    scan(folder, tmp_path / "scan", made, clean=clean_folder)
    table = pd.read_parquet(tmp_path / "scan" / "verdicts.parquet")
    assert table.loc[table["error"] != "", "q"].isna().all()
    for _, mine in table[table["error"] == ""].groupby("no_color"):
        np.testing.assert_allclose(mine["q"], false_discovery_rates(mine["p"].to_numpy()))


def test_clean_images_that_are_scanned_too_are_left_out_of_the_calibration(made, clean_folder, tmp_path):
    photos = Path(shutil.copytree(clean_folder, tmp_path / "photos"))
    for i in range(30):  # in the folder, as copies with different names, and twice
        (photos / f"{i}.png").unlink()
    for i in range(15, 40):
        shutil.copy(clean_folder / f"{i}.png", photos / f"copy-{i}.png")
    clean = Path(shutil.copytree(clean_folder, tmp_path / "clean"))
    shutil.copy(clean / "1.png", clean / "1-again.png")
    found = scan(photos, tmp_path / "scan", made, clean=clean, level=0.4)
    table = pd.read_parquet(tmp_path / "scan" / "verdicts.parquet")
    assert set(table["n"]) == {15}
    assert "Calibrated on 15 of your clean images: about 40%" in found.promise
    assert "also scanned are not used for calibration (105)" in found.promise
    with pytest.raises(BadConfig, match=r"after 120 that were also scanned"):
        scan(clean_folder, tmp_path / "same", made, clean=clean_folder)


def test_images_that_may_not_be_photographs_enter_no_rate(made, clean_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(scan_calibration, "MIN_FOR_Q", 110)
    photos, clean = tmp_path / "photos", Path(shutil.copytree(clean_folder, tmp_path / "clean"))
    photos.mkdir()
    for i in range(4):
        flat = encode_png(np.full((200, 200, 3), 240 + i, np.uint8))
        (photos / f"flat-{i}.png").write_bytes(flat)
        (clean / f"flat-{i}.png").write_bytes(encode_png(np.full((200, 200, 3), 230 + i, np.uint8)))
        (photos / f"{i}.png").write_bytes(encode_png(scene(9000 + i, 44)))
    found = scan(photos, tmp_path / "scan", made, clean=clean)
    table = pd.read_parquet(tmp_path / "scan" / "verdicts.parquet").set_index("path")
    flat = table.index.str.startswith("flat")
    assert set(table["n"]) <= {120, 124}
    assert table.loc[flat, "q"].isna().all()
    color = table[~flat & ~table["no_color"]]
    np.testing.assert_allclose(color["q"], false_discovery_rates(color["p"].to_numpy()))
    flagged = int((table.loc[~flat, "p"] <= 0.05).sum())
    assert f"{flagged} of 4. Images that may not be photographs are not counted (4)" in found.promise
    assert "may not be photographs are not used for calibration (4)" in found.promise


@pytest.mark.parametrize(("level", "text"), [(0.025, "2.5%"), (0.05, "5%"), (0.07, "7%"), (0.333, "33.3%")])
def test_levels_are_printed_with_all_digits(made, clean_folder, tmp_path, level, text):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "1.png").write_bytes(encode_png(scene(9000, 44)))
    if level < 0.04:
        with pytest.raises(BadConfig, match=f"rate of {text}. Provide at least 200"):
            scan(photos, tmp_path / "scan", made, clean=clean_folder, level=level)
    else:
        assert f"about {text} of" in scan(photos, tmp_path / "scan", made, clean=clean_folder, level=level).promise


def test_kinds_of_images_that_can_never_be_flagged_are_named(made, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "1.png").write_bytes(encode_png(scene(9000, 44)))
    assert "never" not in scan(photos, tmp_path / "scan", made).promise
    for level in (0.001, 1e-6):
        promise = scan(photos, tmp_path / "scan", made, level=level).promise
        assert re.search(r"Small images are compared with only \d+ photographs, so they can never be flagged", promise)
    assert "imprecise" in scan(photos, tmp_path / "scan", made, level=0.02).promise


def test_scan_writes_no_formula_of_a_file_name(made, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("=1+1.png", "@SUM(1).png", "+1.png", "-2.png", "cat.png"):
        (mine / name).write_bytes(encode_png(scene(1, 44)))
    (mine / '=HYPERLINK("x").png').write_bytes(b"no image")
    scan(mine, tmp_path / "scan", made)
    csv = pd.read_csv(tmp_path / "scan" / "verdicts.csv")
    for column in csv.select_dtypes(exclude="number"):
        assert not csv[column].astype(str).str.match(r"[=+@-]").any(), column
    assert set(csv["path"]) >= {"'=1+1.png", "'-2.png", "cat.png"}
    assert "=1+1.png" in set(pd.read_parquet(tmp_path / "scan" / "verdicts.parquet")["path"])


def test_folders_that_cannot_be_used_are_refused(made, folder, tmp_path, many_scenes):
    with pytest.raises(BadConfig, match="not a folder"):
        scan(tmp_path / "nothing", tmp_path / "out", made)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(BadConfig, match="other files"):
        scan(folder, tmp_path / "full", made)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadConfig, match="contains no images"):
        scan(tmp_path / "empty", tmp_path / "out", made)
    for level in (5, 1, 0, -0.1, 1e-12, 1e-310, float("nan")):
        with pytest.raises(BadConfig, match="The level must be"):
            scan(folder, tmp_path / "out", made, level=level)


def test_a_run_without_detector_says_what_makes_one(trained_run, folder, tmp_path):
    with pytest.raises(BadRun, match="--calibrate-on"):
        scan(folder, tmp_path / "out", trained_run)
    assert not (tmp_path / "out").exists()


def test_results_inside_the_folder_are_not_scanned_and_links_out_of_it_neither(folder, tmp_path):
    mine = Path(shutil.copytree(folder, tmp_path / "mine"))
    (mine / "scan").mkdir()
    shutil.copy(mine / "a" / "001.png", mine / "scan" / "x.png")
    (mine / "link.png").symlink_to(folder / "a" / "001.png")
    names = [file.name for file in find_files(mine, excluded=mine / "scan")]
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
    assert (
        main(["scan", str(folder), "--out", str(out), "--run", str(made), "--json"]) == 2
    )  # two files are no pictures
    printed, errors = capsys.readouterr()
    assert errors.count("error:") == 2
    content = json.loads(printed)
    assert sum(content["counts"].values()) == sum(content["labels"]["counts"].values()) + 2
    assert {"trait", "p", "is_leak"} <= set(content["labels"]["traits"][0])
    assert "index.html" in errors
    assert all((out / name).stat().st_size for name in RESULTS)


def test_removing_a_scan_removes_what_it_wrote_and_nothing_else(tmp_path):
    out, mine = tmp_path / "out", tmp_path / "mine.png"
    mine.write_bytes(b"mine")

    def made(*others: str) -> None:
        for name in (*scanning.WRITTEN, "log", "verdicts.csv.0a1b2c3d.probing.tmp", *others):
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
    scanning.remove_results(out)
    assert sorted(path.name for path in out.iterdir()) == ["holiday.png"]
    with pytest.raises(BadConfig, match="other files"):
        scanning.remove_results(out)
    (out / "scan.txt").touch()
    (out / "chunks").symlink_to(tmp_path)
    with pytest.raises(BadRun, match="'chunks' .* is a link"):
        scanning.remove_results(out)
    assert mine.read_bytes() == b"mine"
    assert (out / "holiday.png").is_file()


SCANNING = """
    import sys, time
    from pathlib import Path
    from probing_core.api import scan as scanning
    from probing_core.api.scan_chunks import Chunks
    if {revision}:
        scanning.REVISION = {revision}
    plain, done = Chunks.write, []
    def slow(self, index, *contents):
        plain(self, index, *contents)
        done.append(index)
        if len(done) == {stops_after}:
            print("half", flush=True)
            input()
    Chunks.write = slow
    from tests.conftest import in_few_pixels
    with in_few_pixels():
        scanning.scan(Path({folder!r}), Path({out!r}), Path({run!r}), threads=1)
    print("done")
"""


def scanning_process(folder: Path, out: Path, run: Path, revision: int = 0, stops_after: int = 0) -> subprocess.Popen:
    values = {"folder": str(folder), "out": str(out), "run": str(run), "revision": revision}
    code = textwrap.dedent(SCANNING).format(**values, stops_after=stops_after)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[2], **pipes)


def test_a_second_process_is_told_and_nothing_of_the_first_is_lost(scanned, folder, made, tmp_path):
    out = tmp_path / "scan"
    with scanning_process(folder, out, made, stops_after=2) as first:
        assert first.stdout.readline() == "half\n"
        held = contents(out)
        assert sum(name.startswith("chunks/") for name in held) == 2
        for revision in (0, 99):  # the same settings, and others
            with scanning_process(folder, out, made, revision) as second:
                assert "RunBusy: Another process is writing to the scan" in second.communicate()[1]
        with pytest.raises(RunBusy):
            scanning.remove_results(out)
        assert contents(out) == held
        first.kill()
    with scanning_process(folder, out, made, 99) as second:
        assert "contains a scan with a different detector" in second.communicate()[1]
    assert contents(out) == held
    scan(folder, out, made, threads=2)
    assert contents(out) == contents(scanned[0])


@pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_corrupted_chunks_are_measured_again(scanned, folder, made, tmp_path, place):
    out = Path(shutil.copytree(scanned[0], tmp_path / "scan"))
    for path in sorted((out / "chunks").glob("*.parquet"))[:2]:
        content = bytearray(path.read_bytes())
        content[min(len(content) - 1, int(place * len(content)))] ^= 16
        path.write_bytes(content)
    scan(folder, out, made, threads=2)
    for name, content in contents(scanned[0]).items():
        if name.startswith("chunks/"):
            assert pd.read_parquet(out / name).equals(pd.read_parquet(scanned[0] / name))
        else:
            assert (out / name).read_bytes() == content


def test_corrupted_results_name_the_file_and_the_command(scanned, tmp_path):
    out = Path(shutil.copytree(scanned[0], tmp_path / "scan"))
    table = out / "verdicts.parquet"
    for content in (table.read_bytes()[:500], b"", b"no table"):
        table.write_bytes(content)
        for read in (promise_of, lambda out: read_verdicts(out, ["path", "p"])):
            with pytest.raises(BadRun, match="'verdicts.parquet' cannot be read") as caught:
                read(out)
            assert "probing scan" in caught.value.hint
        assert thumbnails_of(out, [0, 5]) == [b"", b""]


@pytest.mark.parametrize("name", ["../../secret.parquet", "{place}/secret.parquet", "..\\secret.parquet"])
def test_a_shared_scan_reads_and_removes_nothing_outside(scanned, folder, made, tmp_path, name):
    out, secret = tmp_path / "scan", tmp_path / "secret.parquet"
    shutil.copytree(scanned[0], out)
    chunk = next((out / "chunks").glob("*.parquet"))
    shutil.copy(chunk, secret)
    table = pq.read_table(out / "verdicts.parquet")
    places = json.dumps([[name.format(place=tmp_path)], [len(table)]]).encode()
    pq.write_table(table.replace_schema_metadata({b"chunks": places}), out / "verdicts.parquet")
    assert thumbnails_of(out, [0]) == [b""]
    shutil.rmtree(out / "chunks")
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(secret, outside / chunk.name)
    (out / "chunks").symlink_to(outside)
    for call in (lambda: scan(folder, out, made), lambda: scanning.remove_results(out)):
        with pytest.raises(BadRun, match="'chunks' .* is a link"):
            call()
    assert (outside / chunk.name).read_bytes() == secret.read_bytes()
