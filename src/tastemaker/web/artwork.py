"""Artwork: a poster for an item without an image, determined by its title."""

import hashlib
from typing import NamedTuple

HUES = 24
"""Number of classes h0, h1, … of the style sheet: hues evenly spaced on the colour wheel."""

MOTIFS = 16
"""Number of symbols m0, m1, … of the sprite."""

LETTER_EVERY = 5
"""One poster in this many, on average, has its title's initial instead of a motif."""


class Artwork(NamedTuple):
    """What the style sheet and the sprite need to draw a poster."""

    hue: int
    motif: int
    mirrored: bool
    letter: str
    """The initial to show instead of the motif; empty where there is a motif."""


def artwork_of(title: str) -> Artwork:
    """The poster of a title; the same title always gives the same poster."""
    digest = hashlib.sha256(title.encode("utf-8", "surrogatepass")).digest()
    initial = next((character for character in title if character.isalnum()), "")
    letter = initial.upper()[:1] if digest[3] % LETTER_EVERY == 0 else ""
    return Artwork(digest[0] % HUES, digest[1] % MOTIFS, digest[2] % 2 == 1, letter)
