from __future__ import annotations

import base64
import getpass
import hashlib
import json
import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest

from lab.devtools.browser import IN_BROWSER, complaints_of, lasso
from probing_core.errors import UnknownName
from probing_core.results import Run, leaderboard
from probing_core.results.csv_text import csv_text
from probing_core.results.explorer import explorer_data, shared_file, with_selection, write_shared_file
from probing_core.results.explorer.shared_file import leaving
from probing_core.results.ranking import standing
from tests.contrast import contrast
from tests.results.explorer.counting import assert_same, counts, points, random_selection

MODELS = ["zoo/mae", "timm:tf_efficientnet_lite0", "baseline/pixels"]
EVERYWHERE = [-99999, -99999, 99999, -99999, 99999, 99999, -99999, 99999]
"""A lasso around every point."""

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def shared(made_run, tmp_path_factory):
    """The run, what was written, its text, and what was announced."""
    run, said = Run.open(made_run), []
    written = write_shared_file(run, tmp_path_factory.mktemp("shared") / "run.html", MODELS, announce=said.append)
    return run, written, written.path.read_text(), said


def test_shared_file_announces_photographs_and_their_licenses(shared):
    run, written, _, said = shared
    used = run.images[run.images["used"]]
    assert written.crops == len(used)
    assert sum(written.licenses.values()) == written.photographs == used["base_id"].nunique()
    assert f"{written.photographs} photographs" in said[0]
    assert all(name in said[0] for name in written.licenses)
    assert "contains no photographs" in leaving(explorer_data(run, MODELS), {}, "they were left out")


def test_its_table_says_of_every_model_what_the_leaderboard_says(shared):
    run, _, text, _ = shared
    shown = dict(re.findall(r'<tr[^>]*><th scope="row" title="([^"]*)">.*?</td>.*?</svg></td><td>([^<]*)</td>', text))
    board = leaderboard(run, "fine", "seen", baselines=False)
    assert set(shown) == set(run.models["name"])
    assert shown[board["model"].iloc[0]] == "best encoder"
    assert {shown[row.model] == standing(row) for row in board.iloc[1:].itertuples()} == {True}
    assert {words for model, words in shown.items() if model.startswith("baseline/")} == {"baseline"}


def test_it_loads_nothing_and_runs_its_own_script_alone(shared):
    _, _, text, _ = shared
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    script = re.search(r'<script type="module">(.*?)</script>', text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not re.search(r"\bimport\s*[({\"'*]|\bfetch\(|XMLHttpRequest|\beval\(|innerHTML|<link|\ssrc=", text)


def test_it_names_neither_folder_nor_user(made_run, tmp_path):
    run = Run.open(made_run)
    data = explorer_data(run, MODELS)
    path = f"onnx:/home/{getpass.getuser()} Doe/my secret/encoder.onnx@weights=C:\\my secret\\w.pt"
    named = replace(data, models=(replace(data.models[0], name=path, title=path), *data.models[1:]))

    def renamed(make):
        def table(*arguments, **options):
            found = make(*arguments, **options)
            return found.assign(model=found["model"].replace(MODELS[0], path))

        return table

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_file, "explorer_data", lambda *_, **__: named)
        for name in ("leaderboard", "scores_of"):
            patch.setattr(shared_file, name, renamed(getattr(shared_file, name)))
        # The reason why there are no images would name the folder of the corpus.
        elsewhere = Run(run.store, replace(run.recipe, corpus=f"folder:{tmp_path}/my secret/photographs"))
        assert "my secret" in elsewhere.pictures.why_not
        written = write_shared_file(elsewhere, tmp_path / "x.html", MODELS)
    text = written.path.read_text()
    assert text.count("onnx:encoder.onnx@weights=w.pt") == 2  # in the explorer, and in the table
    assert written.photographs == 0
    for private in ("secret", "/home/", str(made_run), str(tmp_path), "Doe"):
        assert private not in text


def test_pictures_have_no_metadata_and_stay_within_the_limit(shared, tmp_path):
    run, written, text, _ = shared
    assert written.bytes <= shared_file.MOST_BYTES
    assert written.large == written.crops  # sixteen crops fit
    header = json.loads(re.search(r"data-header>(.*?)</script>", text, re.S)[1])
    sheets = re.search(r"data-bytes>(.*?)</script>", text, re.S)[1]
    for offset, length in [*header["images"]["small"], *header["images"]["large"].values()]:
        sheet = base64.b64decode(sheets[offset : offset + length])
        assert sheet[:4] == b"RIFF"
        assert b"EXIF" not in sheet
    limit = written.bytes - 200_000
    less = write_shared_file(run, tmp_path / "less.html", MODELS, most_bytes=limit)
    assert less.bytes <= limit
    assert less.photographs == written.photographs
    assert less.large < written.large
    none = write_shared_file(run, tmp_path / "none.html", MODELS, pictures="none")
    assert (none.photographs, none.licenses) == (0, {})
    assert '"images":null' in none.path.read_text()
    tight = write_shared_file(run, tmp_path / "tight.html", MODELS, most_bytes=none.bytes + 10_000)
    assert (tight.photographs, tight.why_not) == (0, "they do not fit into the file")
    assert tight.bytes <= none.bytes + 10_000


def test_an_unknown_model_leaves_no_file(made_run, tmp_path):
    with pytest.raises(UnknownName):
        write_shared_file(Run.open(made_run), tmp_path / "x.html", ["zoo/none"])
    assert not list(tmp_path.iterdir())


def first_visit(page, written):
    page.goto("about:blank")
    page.goto(written.path.as_uri())
    page.wait_for_selector(".px-example")
    return page


class TestInABrowser:
    pytestmark = IN_BROWSER

    @pytest.fixture
    def page(self, chromium):
        context = chromium.new_context(viewport={"width": 1060, "height": 760}, offline=True)
        yield context.new_page()
        context.close()

    @pytest.fixture
    def opened(self, shared, page):
        """The file, with nothing selected."""
        return first_visit(page, shared[1])

    def test_counts_of_random_selections_are_those_of_pandas(self, shared, page):
        run, written, _, _ = shared
        data = explorer_data(run, MODELS)
        table = points(run, data)
        complaints = complaints_of(page)
        page.goto(written.path.as_uri())
        page.wait_for_function("() => window.explorer")
        rng = np.random.default_rng(0)
        for _ in range(30):
            chosen = random_selection(data, rng)
            found = page.evaluate(
                "async (chosen) => { await explorer.select(chosen); return explorer.counts(); }", chosen
            )
            assert_same(found, counts(data, table, chosen))
            again = page.evaluate(
                "async () => { const all = explorer.counts(), kept = explorer.selection(); await explorer.select({});"
                "await explorer.select(kept); return JSON.stringify(explorer.counts()) === JSON.stringify(all); }"
            )
            assert again, chosen
        assert complaints == []

    def test_downloaded_names_are_escaped_like_in_other_tables(self, opened):
        names = ["=1+1", "\ufeff=1+1", "\u200b\u3164@x", "\uff1d1", "\r=1", "\t1", '-1+"a,b"', "-1.5e-05", "cat.jpg"]
        opened.evaluate(
            "(names) => explorer.data.classes.forEach((one, i) => { one.name = names[i % names.length]; })",
            names,
        )
        with opened.expect_download() as download:
            opened.get_by_role("button", name="Download").click()
        table = pd.read_csv(download.value.path(), dtype=str, keep_default_na=False)
        written = set(pd.read_csv(StringIO(csv_text(pd.DataFrame({"name": names}))), dtype=str)["name"])
        assert set(table["true"]) <= written
        assert len(set(table["true"])) > 1

    def test_from_the_first_screen_to_a_picture_by_lasso_cell_and_keys(self, opened):
        page = opened
        assert page.locator(".px-chip").count() == 0
        everything = page.evaluate("() => explorer.counts().n")
        lasso(page, "a")
        enclosed = page.evaluate("() => explorer.counts().n")
        assert 0 < enclosed < everything
        page.reload()  # the address has the selection
        page.wait_for_selector(".px-chip")
        assert page.evaluate("() => explorer.counts().n") == enclosed
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        assert len(download.value.path().read_text().splitlines()) == enclosed + 1
        page.locator(".px-matrix canvas").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert page.locator(".px-chip").count() == 2
        page.keyboard.press("Escape")
        page.locator(".px-map-b canvas").nth(1).focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => explorer.hovered !== null")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open]")
        assert page.locator("dialog .px-says").count() == len(MODELS)
        page.keyboard.press("Escape")
        assert page.locator("dialog[open]").count() == 0

    def test_image_laid_out_under_a_resting_pointer_leaves_the_point_of_the_keys(self, opened):
        page = opened
        page.locator(".px-open").first.hover()
        pointed = page.evaluate("() => explorer.hovered")
        assert pointed is not None
        page.evaluate("() => explorer.maps[1].over.focus({preventScroll: true})")
        page.keyboard.press("ArrowRight")
        point = page.evaluate("() => explorer.hovered")
        assert point not in (None, pointed)
        page.evaluate("() => explorer.images.draw(2)")
        page.wait_for_timeout(500)  # Chromium reports what it laid out under the pointer later
        assert page.evaluate("() => explorer.hovered") == point

    def test_preview_ends_where_the_pointer_leaves_the_name_of_a_class(self, opened):
        page = opened
        page.locator(".px-map-a .px-names button").first.hover()
        page.wait_for_function("() => explorer.preview")
        page.wait_for_timeout(300)
        page.mouse.move(3, 3)
        page.wait_for_function("() => !explorer.preview")

    def test_pair_that_was_not_tested_has_no_p_value(self, opened):
        page = opened
        page.evaluate("() => { explorer.data.differences[1][0][2] = null; explorer.draw(); }")
        sentence = page.locator(".px-sentence").inner_text()
        assert "95% CI" in sentence
        assert "p " not in sentence.split("CI")[1].split(")")[0]
        assert "significant" not in sentence

    def test_first_visit_states_the_difference_and_offers_an_example(self, shared, opened):
        page, run = opened, shared[0]
        data = explorer_data(run, MODELS)
        assert page.evaluate("() => explorer.counting.isEmpty")
        difference = counts(data, points(run, data), dict(zip("ab", MODELS, strict=False)))["difference"][0]
        sentence = page.locator(".px-sentence").inner_text()
        assert f"{abs(difference):.1f} percentage points" in sentence
        assert "95% CI" in sentence
        page.locator(".px-example").click()
        row, column = (data.classes[cls].name for cls in data.example)
        assert page.evaluate("() => explorer.selection().what") == {"rows": [row], "columns": [column], "by": "a"}
        assert page.evaluate("() => explorer.counts().n") > 0

    def test_file_opens_with_the_models_and_the_selection_of_its_sender(self, shared, page, tmp_path):
        run, written, _, _ = shared
        path = tmp_path / "selected.html"
        sent = {"a": MODELS[2], "b": MODELS[0], "what": {"rows": ["fog"], "by": "b"}, "how": [2, 7], "panel": "list"}
        path.write_bytes(with_selection(run, written.path.read_bytes(), sent))
        page.goto(path.as_uri())
        page.wait_for_function("() => window.explorer")
        assert page.evaluate("() => explorer.selection()") == sent
        page.locator(".px-map-a select").select_option(MODELS[1])
        page.reload()  # what its reader selects replaces that
        page.wait_for_function("() => window.explorer")
        assert page.evaluate("() => explorer.selection()") == sent | {"a": MODELS[1]}

    def test_hostile_selection_is_data(self, shared, page, tmp_path):
        run, written, _, _ = shared
        path = tmp_path / "hostile.html"
        path.write_bytes(with_selection(run, written.path.read_bytes(), {"a": HOSTILE, "what": {"rows": [HOSTILE]}}))
        assert b"<img src" not in path.read_bytes()
        complaints = complaints_of(page)
        page.goto(path.as_uri())
        page.wait_for_selector(".px-example")
        assert page.title() == shared_file.TITLE
        assert complaints == []

    def test_images_of_a_selection_have_the_proportions_of_the_bar(self, opened):
        page = opened
        page.evaluate("() => explorer.select({what: {rows: explorer.data.classes.map((one) => one.name).slice(1, 9),"
                      "columns: explorer.data.classes.map((one) => one.name).slice(9), by: 'a'}})")  # fmt: skip
        assert page.locator(".px-whos button:visible").count() == 2  # A is never right
        outcomes = page.evaluate("() => explorer.images.ranked(1000).points.map((i) => explorer.counting.outcome[i])")
        share = page.evaluate("() => explorer.counting.counts.outcomes[2] / explorer.counting.n")
        assert 0 < share < 1
        assert set(outcomes[: max(2, round(1.5 / min(share, 1 - share)))]) == {0, 2}
        page.evaluate("(polygon) => explorer.select({where: {map: 'a', polygon}})", EVERYWHERE)
        first = page.evaluate("() => explorer.counting.outcome[explorer.images.ranked(1).points[0]]")
        sizes = page.evaluate("() => Array.from(explorer.counting.counts.outcomes)")
        assert first == np.argmax(sizes) != 0

    def test_every_row_has_its_number_on_the_diagonal_in_an_ink_that_can_be_read(self, opened):
        page = opened
        for choice in ({}, {"what": {"rows": ["fog"], "columns": ["rain"]}}):
            found = page.evaluate(
                """async (choice) => {
                  await explorer.select(choice);
                  const {matrix} = explorer, ctx = matrix.canvas.getContext("2d"), written = [];
                  const {fillText, fillRect} = ctx;
                  let ground;
                  ctx.fillRect = (...box) => { ground = ctx.fillStyle; fillRect.apply(ctx, box); };
                  ctx.fillText = (text, x, y, ...rest) => {
                    const [column, row] = [x / matrix.cell[0], y / matrix.cell[1]].map(Math.floor);
                    written.push([row, column, ground, ctx.fillStyle]);
                    fillText.call(ctx, text, x, y, ...rest);
                  };
                  matrix.draw();
                  return written;
                }""",
                choice,
            )
            rows = page.evaluate(
                "() => [...explorer.counts().rows.keys()].filter((row) => explorer.counts().rows[row])"
            )
            assert [row for row, column, *_ in found if row == column] == rows
            assert min(contrast(ground, ink) for *_, ground, ink in found) >= 4.5

    def test_the_list_of_confusions_stays_whole_and_marks_the_one_that_is_chosen(self, opened):
        page = opened
        page.get_by_role("tab", name="Largest confusions").click()
        lines = page.locator(".px-line")
        before = lines.all_text_contents()
        assert len(before) > 1
        lines.nth(1).click()
        assert lines.all_text_contents() == before
        assert lines.evaluate_all("(all) => all.map((one) => one.ariaPressed)").index("true") == 1
        chosen = page.evaluate("() => explorer.counts().n")
        lines.nth(1).click()  # the same again takes it away
        assert page.locator(".px-chip").count() == 0
        assert page.evaluate("() => explorer.counts().n") > chosen > 0

    def test_a_visitors_picture_is_a_star_on_the_map_of_the_model_that_placed_it(self, opened):
        page = opened
        model = page.evaluate("() => explorer.models[0].name")
        assert not page.locator(".px-star:visible").count()
        page.evaluate("([m, at]) => explorer.update({own: {title: 'x', places: {[m]: at}}})", [model, [0, 0]])
        assert page.locator(".px-map-a .px-star:visible").count() == 1
        assert not page.locator(".px-map-b .px-star:visible").count()
        assert page.evaluate("() => [explorer.state.projection, explorer.state.what]") == ["everything", None]

    def test_a_rectangle_encloses_by_keys(self, shared, opened):
        page, run = opened, shared[0]
        data = explorer_data(run, MODELS)
        page.locator(".px-map-b .px-enclose").focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => explorer.selection().where")
        first = page.evaluate("() => explorer.selection().where.polygon")
        page.keyboard.press("ArrowRight")
        page.wait_for_function("(first) => explorer.selection().where.polygon[0] > first[0]", arg=first)
        moved = page.evaluate("() => explorer.selection().where.polygon")
        page.keyboard.press("Shift+ArrowUp")
        page.wait_for_function("(moved) => explorer.selection().where.polygon[1] > moved[1]", arg=moved)
        chosen = page.evaluate("() => explorer.selection()")
        assert chosen["where"]["map"] == "b"
        expected = counts(data, points(run, data), chosen)["n"]
        assert page.evaluate("() => explorer.counts().n") == expected
        page.wait_for_function(
            "(n) => document.querySelector('[aria-live]').textContent.startsWith(n)", arg=str(expected)
        )
        assert page.evaluate("() => location.hash") == ""
        page.keyboard.press("Enter")
        assert chosen == page.evaluate("() => JSON.parse(decodeURIComponent(location.hash.slice(1)))")
        page.keyboard.press("e")
        page.keyboard.press("Escape")  # the one before is there again
        assert page.evaluate("() => explorer.selection()") == chosen

    def test_two_fingers_zoom_and_move(self, shared, chromium):
        _, written, _, _ = shared
        context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, offline=True)
        page = first_visit(context.new_page(), written)
        before = page.evaluate("() => explorer.selection()")
        page.locator(".px-map-a .px-plane").scroll_into_view_if_needed()
        scrolled = page.evaluate("() => scrollY")
        box = page.locator(".px-map-a .px-plane").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch = context.new_cdp_session(page)

        def fingers(kind: str, *places: tuple[float, float]) -> None:
            at = [{"x": px, "y": py, "id": i} for i, (px, py) in enumerate(places)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

        fingers("touchStart", (x - 30, y))
        fingers("touchStart", (x - 30, y), (x + 30, y))
        for step in range(1, 5):
            fingers("touchMove", (x - 30 - 10 * step, y + 5 * step), (x + 30 + 10 * step, y + 5 * step))
        fingers("touchEnd")
        zoom = page.evaluate("() => explorer.maps[0].zoom")
        assert zoom["factor"] == pytest.approx(140 / 60, rel=0.02)
        middle = page.evaluate("() => explorer.maps[0].toPage()(0, 0)")
        assert middle == pytest.approx([box["width"] / 2, box["height"] / 2 + 20], abs=2)
        assert page.evaluate("() => scrollY") == scrolled
        assert page.evaluate("() => explorer.selection()") == before
        context.close()

    def test_significantly_less_frequent_cells_are_marked_without_color(self, opened):
        """In gray, with both ends of the scale in one color, cells of more and of less are not alike.

        The differences of this small run are drawn as if it had a hundred times as many photographs, so that some are
        significant.
        """
        seen = opened.evaluate(
            """async () => {
              await explorer.select({by: "difference"});
              explorer.theme.diverging = [explorer.theme.muted, explorer.theme.ground, explorer.theme.muted];
              explorer.theme.wrong = explorer.theme.ink;
              const {matrix, counting} = explorer, {counts} = counting, few = counting.cellDifferences();
              const times = (values) => values.map((n) => 100 * n);
              const [sum, squares, clusters] = [few.sum, few.squares, few.clusters].map(times);
              counting.cellDifferences = () => ({sum, squares, clusters});
              counts.rows = times(counts.rows);  // rows of few samples have no difference
              counts.matrix = counts.matrix.map(times);
              matrix.draw();
              const [width, height] = matrix.cell.map((one) => one * devicePixelRatio);
              const k = explorer.data.classes.length, seen = {more: [], less: [], other: []};
              const pixels = (row, column) => [...matrix.canvas.getContext("2d").getImageData(
                Math.ceil(column * width) + 1, Math.ceil(row * height) + 1, width - 3, height - 3).data];
              sum.forEach((value, cell) => {
                const kind = !matrix.isSignificant(value, squares[cell]) ? "other" : value > 0 ? "more" : "less";
                seen[kind].push(pixels(Math.floor(cell / k), cell % k));
              });
              return seen;
            }"""
        )
        more, less = ({tuple(pixels) for pixels in seen[kind]} for kind in ("more", "less"))
        assert more
        assert less
        assert not more & less
        assert seen["other"], "differences that are not significant have one color and no mark"
        assert all(pixels == pixels[:4] * (len(pixels) // 4) for pixels in seen["other"])

    def test_list_states_what_it_leaves_out(self, opened):
        """What is listed and what the line below it states are all predictions of a class, and all confusions."""
        page = opened
        totals = page.evaluate(
            """async () => {
              const k = explorer.data.classes.length, seen = [];
              const number = (text) => Number(text.split(" (")[0].replace(/[,%]/g, ""));
              for (const rows of [["rotate"], undefined]) {
                await explorer.select({panel: "list", what: rows && {rows}});
                const {matrix, rows: n} = explorer.counting.counts;
                const cls = explorer.data.classes.findIndex((one) => one.name === "rotate");
                const lines = [...document.querySelectorAll(".px-line")];
                const note = document.querySelector(".px-list > p:last-child").textContent;
                const found = /Not listed: ([\\d,]+) .* A ([\\d,]+)%?, B ([\\d,]+)%?/.exec(note);
                const left = found ? found.slice(1).map(number) : [0, 0, 0];
                const cells = (slot) => [...matrix[slot]].map((count, cell) => [count, Math.floor(cell / k), cell % k])
                  .filter(([, row, column]) => rows ? row === cls : row !== column);
                const listed = (slot) => lines.reduce(
                  (sum, one) => sum + number(one.querySelectorAll("small")[slot].textContent), 0);
                const both = [0, 1].map((slot) => cells(slot).map(([count]) => count));
                seen.push({
                  unlisted: left[0],
                  lines: lines.length + left[0],
                  cells: both[0].filter((count, i) => count || both[1][i]).length,
                  stated: [0, 1].map((slot) => listed(slot) + left[1 + slot]),
                  counted: [0, 1].map((slot) => rows ? 100 : both[slot].reduce((sum, one) => sum + one, 0)),
                });
              }
              return seen;
            }"""
        )
        for one, tolerance in zip(totals, (10, 0), strict=True):  # percentages of a class are rounded
            assert one["lines"] == one["cells"] > 1
            assert np.abs(np.subtract(one["stated"], one["counted"])).max() <= tolerance
        assert totals[1]["unlisted"] > 10

    def test_every_sample_of_a_small_selection_is_a_dot_and_an_image(self, repeated_run, page, tmp_path):
        """Versions of one crop are at nearly the same place, and the gallery prefers different crops."""
        run = Run.open(repeated_run)
        written = write_shared_file(run, tmp_path / "repeated.html", MODELS)
        page.goto(written.path.as_uri())
        page.wait_for_function("() => window.explorer")
        found = page.evaluate(
            """async () => {
              const {data, models} = explorer, k = data.classes.length, best = {};
              for (let i = 0; i < data.tested; i++) (best[data.truth[i] * k + models[0].predicted[i]] ??= []).push(i);
              const isRepeated = (all) => new Set(all.map((i) => data.crop[i])).size < all.length;
              const cell = Object.keys(best).find((one) => one % k !== Math.floor(one / k) && best[one].length > 4
                && best[one].length < 60 && isRepeated(best[one]));
              const names = [Math.floor(cell / k), cell % k].map((cls) => [data.classes[cls].name]);
              await explorer.select({what: {rows: names[0], columns: names[1], by: "a"}});
              explorer.images.draw(100);
              const dots = [...explorer.maps[0].separated.values()];
              const apart = Math.min(...dots.flatMap(([x, y], i) =>
                dots.slice(0, i).map(([left, top]) => Math.hypot(x - left, y - top))));
              return {
                n: explorer.counting.n, dots: dots.length, apart, diameter: 2 * explorer.maps[0].radius,
                ofFirst: best[cell].filter((i) => data.repetition[i] === 0).length,
                images: document.querySelectorAll(".px-open").length,
                missing: document.querySelectorAll(".px-open .px-missing").length,
                title: document.querySelector(".px-images h2").textContent,
              };
            }"""
        )
        assert found["dots"] == found["n"] > 4
        assert found["apart"] >= found["diameter"] - 0.1
        assert found["images"] == found["ofFirst"]
        assert found["missing"] == 0
        assert f"{found['ofFirst']} of {found['ofFirst']} " in found["title"]
        assert "1 of 3 repetitions" in found["title"]

    def test_file_counts_what_the_run_has_in_all_repetitions(self, repeated_run, page, tmp_path):
        run = Run.open(repeated_run)
        data = explorer_data(run, MODELS)
        page.goto(write_shared_file(run, tmp_path / "x.html", MODELS, pictures="none").path.as_uri())
        page.wait_for_function("() => window.explorer")
        chosen = {"a": MODELS[0], "b": MODELS[1]}
        assert_same(page.evaluate("() => explorer.counts()"), counts(data, points(run, data), chosen))

    def test_a_hostile_label_is_text(self, made_run, page, tmp_path):
        run = Run.open(made_run)
        data = explorer_data(run, MODELS)
        first = replace(data.classes[7], name=HOSTILE, title=HOSTILE)
        hostile = replace(
            data,
            classes=(*data.classes[:7], first, *data.classes[8:]),
            labels=(HOSTILE,) * len(data.labels),
            licenses=(HOSTILE,) * len(data.licenses),
            models=(replace(data.models[0], name=HOSTILE), *data.models[1:]),
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shared_file, "explorer_data", lambda *_, **__: hostile)
            path = write_shared_file(run, tmp_path / "hostile.html", MODELS).path
        assert "<img src" not in path.read_text()
        page.goto(path.as_uri())
        page.wait_for_selector(".px-open")
        page.locator(".px-open").first.click()
        page.wait_for_selector("dialog[open]")
        page.wait_for_timeout(100)
        assert page.title() == shared_file.TITLE
        assert page.locator("img").count() == 0
        assert page.locator("option").first.get_attribute("value") == HOSTILE
