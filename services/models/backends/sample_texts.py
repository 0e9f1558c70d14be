"""Varied texts to try a model on: the same everywhere, so that what is found with them is."""

from __future__ import annotations

import random

_EDGES = [
    "a",
    "?",
    "Ünïcödé, 日本語のテキスト, العربية, 🦆🦆",
    "x" * 500,
    '<p>Hello &amp; <b>good</b>bye</p> {"a": [1, 2]}',
]
"""What prose lacks."""

_PROSE = """
A lease gives its holder the use of a thing for a time and leaves it with its owner. When the time is over the thing
goes back, unless both agree to go on, and whoever keeps it longer owes for every day. The patient was admitted with
chest pain that had begun two hours before, and the first recording showed no change that would explain it. Blood
was taken again after three hours; the second value was twice the first, and treatment began the same night. To make
bread, mix flour, water and salt, and let the dough rest until it has doubled. A hot oven gives a dark crust, and
steam in the first ten minutes keeps it thin. The court held that notice by letter is given when the letter arrives
and not when it is sent, so that the term had not run out. An appeal must be lodged within one month of the decision
being served on the party. Rivers carry fine sand far into the sea, where it settles in layers that later become
stone. The oldest layers lie at the bottom unless something has turned them over, which happens where plates
collide. A hash table keeps its entries in buckets that follow from a number computed of each key. When too many
keys meet in one bucket, the table grows and every entry moves to a new place. The train leaves at a quarter past
seven from platform nine and stops everywhere until the coast. Tickets bought on board cost more; children under six
travel free with an adult. Interest is paid twice a year on the sum that is still owed, at a rate that follows the
central bank's with a margin of two points. Whoever repays early pays a fee of one percent in the first three years.
Bees find their way by the sun, by landmarks and by the smell of the hive, and tell each other in a dance where
flowers are. In winter they hang together in a ball and keep it warm by trembling. The violin has four strings,
tuned in fifths, and a body of spruce and maple whose varnish nobody has copied since. A bow strung with hair makes
the string stick and slip some hundreds of times in a second. Vaccines show the body a harmless part of what makes
it ill, so that it knows the whole when it comes. Some protect for life, others need to be given again after some
years, for the germ changes or the memory fades. In the second quarter revenue rose by four percent to 312 million,
while the cost of materials rose by nine. The board proposes a dividend of 0.85 a share and expects a weaker year to
come. Before you open the housing, switch the device off, pull the plug and wait for five minutes, as the capacitors
stay charged. Loosen the four screws at the back and lift the cover straight up. She had lived in the village all
her life and knew who had built each wall and why it leaned. When the road came she sold the lower field and bought
a piano that no one in the house could play. Light takes eight minutes from the sun to the earth and four years from
the nearest other star. What we see of the far galaxies is how they were before there were people who could look. A
password that is long is better than one that is strange, and one that is used in two places is only as safe as the
worse of them. Keep the recovery codes on paper. Tenants may ask for repairs in writing; if nothing happens within a
fair time they may have the work done and take the cost off the rent. Photosynthesis turns water and carbon dioxide
into sugar and oxygen with the energy of light. The enzyme that takes up the carbon is slow and mistakes oxygen for
it every fourth time. The recipe serves four: two onions, a spoon of cumin, a tin of tomatoes, a handful of lentils
and half a litre of stock, cooked for forty minutes. Add lemon at the end. To whom it may concern: the undersigned
worked for us from May 2017 to March 2023 as a technician, and left at his own wish.
"""


def sample_texts(count: int, *, seed: int = 0, has_edges: bool = True) -> list[str]:
    """So many texts of 1 to 300 words, most of them short.

    Args:
        count: of texts.
        seed: of the choice.
        has_edges: begin with what prose lacks.
    """
    choices = random.Random(seed)  # noqa: S311 - not for secrets
    words = _PROSE.split()
    texts = list(_EDGES) if has_edges else []
    while len(texts) < count:
        length = min(300, max(1, round(choices.lognormvariate(3.9, 0.9))))
        start = choices.randrange(len(words) - length)
        texts.append(" ".join(words[start : start + length]))
    return texts[:count]
