"""Properties of what is redone: inside the picture, no pixel twice, every word at fault covered."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from rules.regions import grown, merged
from schemas.events import Word

SIDE = 1000
NUMBERS = st.floats(-2000, 3000, allow_nan=False)
WORDS = st.lists(
    st.lists(NUMBERS, min_size=8, max_size=8).map(lambda b: Word(text="x", confidence=1, box=tuple(b))), max_size=25
)


@given(WORDS, st.floats(0, 4))
def test_boxes_lie_in_the_picture_share_nothing_and_cover_every_word(words: list[Word], margin: float):
    single = grown(words, margin, SIDE, SIDE)
    whole = merged(single)
    for box in whole:
        assert 0 <= box.left < box.right <= SIDE
        assert 0 <= box.top < box.bottom <= SIDE
    for a, b in combinations(whole, 2):
        assert a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top
    for box in single:
        assert any(
            w.left <= box.left and w.top <= box.top and w.right >= box.right and w.bottom >= box.bottom for w in whole
        )
    assert merged(whole) == whole
