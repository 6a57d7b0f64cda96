"""The "You vs. the models" tab: a game in which visitors and models guess how images were edited."""

from __future__ import annotations

import secrets

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache, game
from dashboard.page import fragment
from dashboard.text import named
from dashboard.widgets import messages, tables
from probing_core.answers.answer import INCONCLUSIVE
from probing_core.measures.notation import group_title, in_percent, model_title
from probing_core.results import Run

SIDE = 384
"""Side length of the displayed image in pixels, three times the default view size."""

ANSWER_WIDTH = 140
"""Width of a button in pixels: two buttons fit side by side on a phone, and three next to the image."""

OPEN = INCONCLUSIVE

KINDS = (
    "Tone: changes in brightness or contrast. Codec: compression, pixelation or fewer colors. Overlay: drawings on top "
    "of the image. Artistic: conversion into a drawing. Style: neural style transfer."
)
ABOUT = (
    "An answer is correct if the group is correct, or if no edit is detected in a clean image. As with uploads, models "
    'assume that half of all images are clean. On the Explore page, "clean" is one of {classes} classes.'
)


@fragment
def show(run: Run) -> None:
    with st.spinner("Selecting images"):
        first = cache.computed(run, game.first_player)
    if not first:
        messages.empty("No model in this run can decide whether an image was edited. Select the reference run to play.")
        return
    if run.pictures.why_not:
        messages.no_pictures(run.pictures.why_not)
        return
    number = _number()
    samples = cache.computed(run, game.draw_samples, number)
    guesses: dict[int, str] = st.session_state.setdefault("_guesses", {}).setdefault((run.digest, number), {})
    following = min(len(guesses), game.ROUNDS - 1)
    number_shown = st.session_state.get("_shown", following)
    number_shown = number_shown if number_shown in guesses else following
    if not guesses:  # answers are computed after the first guess, so that the first image is shown immediately
        _play(run, samples, None, guesses, number_shown)
        return
    with st.spinner("Computing model answers"):
        model_answers = cache.computed(run, game.answers, tuple(samples))
    _play(run, samples, model_answers, guesses, number_shown)
    _standing(run, samples, model_answers, guesses)


def _number() -> int:
    text = state.stored_choice("game")
    is_one = text.isascii() and text.isdecimal() and len(text) < len(str(game.GAMES))
    number = int(text) if is_one else secrets.randbelow(game.GAMES)
    state.publish("game", number)
    return number


def _play(
    run: Run, samples: list[int], model_answers: pd.DataFrame | None, guesses: dict[int, str], number: int
) -> None:
    sample = samples[number]
    is_open = number not in guesses
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.caption(f"Image {number + 1} of {game.ROUNDS}")
        caption = "How was this photograph edited?" if is_open else "Image seen by you and the models"
        with st.container(width=SIDE):
            st.image(cache.picture(run, sample), caption=caption, width="stretch", alt=caption)
        if not is_open:
            caption = "Original crop"
            st.image(cache.picture(run, sample, before=True), caption=caption, width=SIDE // 2, alt=caption)
    with right:
        if is_open or model_answers is None:
            _ask(run, guesses, number)
        else:
            _tell(run, samples, model_answers, guesses, number)


def _ask(run: Run, guesses: dict[int, str], number: int) -> None:
    def guess(group: str) -> None:
        guesses[number] = group
        st.session_state["_shown"] = number

    st.header("Which edit was applied?")
    members: dict[str, list[str]] = {}
    for transform, group in game.groups_of(run).items():
        members.setdefault(group, []).append(named(transform))
    with st.container(horizontal=True):  # on a phone, columns would be stacked vertically
        for group, names in members.items():
            label = group_title(group)
            about = "The image was not edited." if group == "identity" else f"{', '.join(names)}."
            st.button(label, key=f"guess-{group}", help=about, width=ANSWER_WIDTH, on_click=guess, args=(group,))
    st.caption(f"{KINDS} Some edits are weak. The models receive the same crop.")


def _tell(run: Run, samples: list[int], model_answers: pd.DataFrame, guesses: dict[int, str], number: int) -> None:
    transform, group, strength = game.alteration_of(run, samples[number])
    guess = guesses[number]
    outcome = "the image is clean" if group == "identity" else f"the edit is **{named(transform)}**"
    if strength:
        outcome += f", {strength}"
    if group != "identity":
        outcome += f" ({group})"
    box = st.success if guess == group else st.warning
    box(f"{'Correct' if guess == group else f'Your guess was {group_title(guess)}'}: {outcome}.")
    if len(guesses) < game.ROUNDS:
        st.button("Next image", type="primary", key="next", on_click=st.session_state.pop, args=("_shown", None))
    else:
        arguments = "game", secrets.randbelow(game.GAMES)
        st.button("Play again", type="primary", key="new-game", on_click=state.choose, args=arguments)
    answers = model_answers[model_answers["round"] == number].sort_values(
        ["right", "probability"], ascending=False, kind="stable"
    )
    outcome = "detect no edit" if group == "identity" else "predict the correct group"
    st.markdown(f"**{int(answers['right'].sum())} of {len(answers)}** models {outcome}.")
    table = answers.assign(
        player=answers["player"].map(model_title),
        answer=[named(answer) if answer else OPEN for answer in answers["answer"]],
        right=["✓" if right else "" for right in answers["right"]],
    )
    tables.show_table(
        table[["player", "answer", "right", "probability"]],
        "answers",
        column_config={
            "player": st.column_config.TextColumn("model"),
            "answer": st.column_config.TextColumn("answer"),
            "right": st.column_config.TextColumn("correct", width="small", help="Whether the group is correct."),
        },
        percent={"probability": ("probability (%)", "Probability of an edit, or of no edit if the answer is Clean.")},
    )


def _standing(run: Run, samples: list[int], model_answers: pd.DataFrame, guesses: dict[int, str]) -> None:
    truths = {number: game.alteration_of(run, samples[number])[1] for number in guesses}
    table = game.standing(model_answers, guesses, truths)
    player_score = int(table.loc[table["player"] == game.YOU, "right"].iloc[0])
    better = int((table["right"] > player_score).sum())
    st.header("Score so far" if len(guesses) < game.ROUNDS else "Final score")
    st.markdown(
        f"You: **{player_score} of {len(guesses)}** correct. Models with a higher score: {better} of {len(table) - 1}."
        f"{' Share the URL of this page to let others play with the same images.' if len(guesses) > 1 else ''}"
    )
    if len(guesses) == game.ROUNDS:
        tables.show_table(
            table.assign(player=table["player"].map(model_title)),
            "standing",
            column_config={
                "player": st.column_config.TextColumn("player"),
                "right": st.column_config.ProgressColumn(
                    "correct", min_value=0, max_value=game.ROUNDS, format=f"%d of {game.ROUNDS}"
                ),
            },
        )
    guessing = f"Random guessing: {in_percent(1 / len(set(game.groups_of(run).values())))} correct."
    st.caption(f"{guessing} {ABOUT.format(classes=len(run.classes('fine')))}")
