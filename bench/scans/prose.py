"""Running text: the paragraphs of the project's own pages, and a few of other languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs"
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|\*\*|__|<[^>]*>")
_PLAIN = re.compile(r"[A-Za-z0-9 ,.;:()'%\"-]+")
"""What every face of the standard fonts holds, and no words of programs: a slip there is not one of reading."""
_PROGRAM = re.compile(r"\S*[a-z][A-Z]\S*|\S*\w[.:]\w\S*|\S*--\S*")
_SHORTEST = 60

OTHER_LANGUAGES = {
    "German": (
        "Die Straße führt über die Höhen südlich der Stadt und fällt dann zum Fluss hinab. Früher gingen hier"
        " Händler mit schweren Wagen, heute grüßen sich nur noch Spaziergänger, die den Blick über das weite "
        "Tal genießen.",
        "Im Frühjahr blühen die Äpfel zuerst, danach die Kirschen; wer spät kommt, sieht nur noch weiße "
        "Blätter im Gras. Die Bäuerin am Weg verkauft Eier, Käse und süßen Most, und sie erzählt gern, was "
        "sich geändert hat.",
        "Übrigens heißt der Weg bei den Älteren noch immer Königsgasse, obwohl ihn seit hundert Jahren "
        "niemand so nennt. Auf den Karten fehlt der Name, und die Schilder hat man längst entfernt.",
    ),
    "French": (
        "L'été dernier, nous avons passé quelques jours près de la forêt, où l'air était frais et la lumière "
        "légère. Les fenêtres restaient ouvertes jusqu'à la nuit, et l'on entendait au loin la rivière.",
        "Le garçon du café connaissait déjà nos habitudes : un thé, deux crêpes, et le journal de la veille. "
        "Il préférait parler du marché, des élections et de la récolte plutôt que de la météo.",
        "À notre départ, il a noué un ruban à la poignée de la valise, « pour la chance », disait-il. Nous ne"
        " l'avons jamais ôté, même après tant d'années.",
    ),
    "Spanish": (
        "El niño llegó corriendo a la estación cuando el último tren ya había salido. Preguntó a la señora de"
        " la ventanilla si habría otro mañana, y ella le contestó que sí, muy temprano, según el día.",
        "Entonces volvió despacio por la calle mayor, contando los árboles y las farolas. En la esquina olía "
        "a pan recién hecho; compró una barra pequeña y la comió sentado junto a la fuente.",
        "¿Qué más podía hacer? Nadie lo esperaba antes del domingo, y además la noche era cálida, con miles "
        "de estrellas sobre los tejados de aquel pueblo de montaña.",
    ),
}


@cache
def paragraphs() -> tuple[str, ...]:
    """English ones, each once, in the order of the pages' names."""
    pages = sorted(path for path in _DOCS.rglob("*.md") if "decisions" not in path.parts)
    return tuple(dict.fromkeys(paragraph for page in pages for paragraph in _of_page(page.read_text(encoding="utf-8"))))


def _of_page(text: str) -> Iterator[str]:
    for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines():
        words = re.sub(r"\s+", " ", _MARKUP.sub(r"\1", line)).strip()
        if len(words) >= _SHORTEST and _PLAIN.fullmatch(words) and words[0].isupper() and not _PROGRAM.search(words):
            yield words
