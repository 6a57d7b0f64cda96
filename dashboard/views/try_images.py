"""Try your images: what every model says was done to a picture, live."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import data, live, pictures, state, widgets
from dashboard.glossary import hint
from dashboard.pictures import Chosen, plain
from dashboard.strength import draw, strength_slider
from probing_core.charts import predictions_chart
from probing_core.errors import ProbingError
from probing_core.results import Run, nearest, place
from probing_core.transforms import bank

SAMPLES = "photos"
DEFAULT_MODELS = 3
NEIGHBORS = 8


def show() -> None:
    run = data.current_run()
    st.title("Try your images")
    st.markdown("Drop pictures in, and every model says what was done to them.")
    chosen = _choose_pictures()
    try:
        models, task = _controls(run)
    except ProbingError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if not chosen:
        widgets.empty("No picture yet: upload some, take one with the camera, or choose packaged photographs.")
        return
    rows = live.predict(run, [c.image for c in chosen], _unique([c.name for c in chosen]), models, task)
    for index, (name, picture) in enumerate(zip(_unique([c.name for c in chosen]), chosen, strict=True)):
        _answers(index, name, picture, rows[rows["image"] == name])
    widgets.download(rows, "predictions", "All predictions as CSV")
    _change(run, chosen, models, task)
    _neighbors(run, chosen, models)
    _text(run, chosen, models)


def _choose_pictures() -> list[Chosen]:
    left, right = st.columns(2)
    with left:
        found = pictures.upload("Your pictures", "try-upload")
    with right:
        corpus = data.corpus(SAMPLES)
        ids = list(corpus.rows["image_id"])
        state.remember("samples", ids, [])
        names = st.multiselect("Or packaged photographs", ids, key="samples", max_selections=pictures.MOST_UPLOADS)
        state.publish("samples", names)
        found += [pictures.chosen(name, data.corpus_image(SAMPLES, name)) for name in names]
        if st.toggle("Use the camera", key="use-camera"):
            shot = st.camera_input("Camera", key="camera")
            found += pictures.read_uploads([shot] if shot else [])
    return found


def _controls(run: Run) -> tuple[list[str], str]:
    able = [m for m in run.models["name"] if m in live.predictor_of(run).models]
    left, right = st.columns([3, 2])
    with left:
        models = widgets.pick_models(run, default=DEFAULT_MODELS)
    with right:
        task = widgets.segments("Question", "question", ["fine", "group"], help=f"{hint('fine')} {hint('group')}")
    asked = [m for m in models if m in able] or able[:1]
    silent = [m for m in models if m not in able]
    if silent:
        st.caption(f"Without a probe to predict with in this run: {', '.join(silent)}.")
    return asked, task


def _answers(index: int, name: str, picture: Chosen, rows: pd.DataFrame) -> None:
    with st.container(border=True, key=f"answer-{index}"):
        left, right = st.columns([1, 4])
        with left:
            st.image(picture.image, width="stretch", alt=name)
            height, width = picture.image.shape[:2]
            st.caption(f"{plain(name)}, {width} × {height} pixels. Look: {rows['look'].iloc[0]}", help=hint("look"))
            for note in picture.notes:
                st.caption(f":material/flag: {plain(note)}")
        with right:
            best = rows.groupby("model", sort=False).head(1)
            words = [
                f"{m}: **{c}** {p:.0%}"
                for m, c, p in zip(best["model"], best["class"], best["probability"], strict=True)
            ]
            st.markdown(" · ".join(words))
            widgets.chart(predictions_chart(rows, data.theme()), f"answers-{index}", rows, f"Predictions for {name}.")


def _change(run: Run, chosen: list[Chosen], models: list[str], task: str) -> None:
    st.header("Change a picture and watch", help=hint("strength"))
    left, right = st.columns(2)
    names = _unique([c.name for c in chosen])
    which = left.selectbox("Picture", range(len(names)), format_func=lambda i: names[i], key="change-picture")
    entries = {t.name: t for t in bank() if t.group != "identity"}
    labels = {t.name: f"{t.group} · {t.name}" for t in entries.values()}
    transform = entries[widgets.select("Transformation", "transform", list(entries), names=labels, where=right)]
    strength = strength_slider(chosen[which], run.recipe.view, transform)
    before, after = draw(chosen[which].image, run.recipe.view, transform, strength)
    rows = live.predict(run, [before, after], ["before", "after"], models, task)
    st.markdown(
        f"**Before**, and **after {transform.name} {strength:.3g} {transform.unit}**, seen as the models see it:"
    )
    for column, name in zip(st.columns(2), ["before", "after"], strict=True):
        with column:
            told = rows[rows["image"] == name]
            figure = predictions_chart(told, data.theme(), columns=1)
            widgets.chart(figure, f"change-{name}", told, f"Predictions {name} the change.")


def _neighbors(run: Run, chosen: list[Chosen], models: list[str]) -> None:
    st.header("Neighbors in the run", help="The pictures of the run whose embeddings are nearest to that of yours.")
    if not widgets.toggle("Show them", "neighbors"):
        return
    able = [m for m in models if data.embeddings(run, m) is not None]
    if not able:
        widgets.empty("This run ships no embeddings, so neighbors cannot be found; a run computed here has them.")
        return
    left, right = st.columns(2)
    names = _unique([c.name for c in chosen])
    which = left.selectbox("Of the picture", range(len(names)), format_func=lambda i: names[i], key="neighbors-picture")
    model = right.selectbox("To the model", able, key="neighbors-model")
    stored = data.embeddings(run, model)
    assert stored is not None
    found, similarity = nearest(stored, live.look(run, chosen[which].image, model).embedding, NEIGHBORS)
    table = data.map_of(run, model)
    at = None if table is None else place(table, found, similarity)
    if at is not None:
        st.caption(f"On the map of {model} it belongs at x = {at[0]:.1f}, y = {at[1]:.1f}, among these:")
    rows = run.samples.iloc[found].assign(similarity=similarity)
    widgets.gallery(
        run, rows, "neighbors-gallery", lambda r: f"{r.transform}, {r.label}, similarity {r.similarity:.2f}"
    )
    widgets.download(rows, "neighbors", "Neighbors as CSV")


def _text(run: Run, chosen: list[Chosen], models: list[str]) -> None:
    with_text = [m for m in run.models.loc[run.models["text"].fillna(False).astype(bool), "name"] if m in models]
    if not with_text:
        return
    st.header("Compare with words", help="Cosine similarity of picture and text, for models that embed both.")
    text = st.text_input("Words", key="words", placeholder="for example: a blurry photo of a cat", max_chars=300)
    if text:
        rows = pd.DataFrame(
            live.predictor_of(run).similarity(
                [c.image for c in chosen], text, models=with_text, names=_unique([c.name for c in chosen])
            )
        )
        widgets.show_table(rows, "similarity")


def _unique(names: list[str]) -> list[str]:
    """Two uploads may share a name; the second is told as ``name (2)``."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


show()
