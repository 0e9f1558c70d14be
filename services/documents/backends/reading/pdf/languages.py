"""Which languages can be read from pictures: those whose letters the recognition model has in its dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from services.common.errors import InvalidRequest

ALPHABETS: Mapping[str, str] = MappingProxyType(
    {
        "af": "áéèêëíîïóôúû",
        "ca": "àçéèíïóòúü",
        "cs": "áčďéěíňóřšťúůýž",
        "da": "æøå",
        "de": "äöüß",
        "en": "",
        "es": "áéíñóúü",
        "et": "äõöüšž",
        "eu": "ñ",
        "fi": "äöå",
        "fr": "àâæçéèêëîïôœùûüÿ",
        "ga": "áéíóú",
        "gl": "áéíñóú",
        "hr": "čćđšž",
        "hu": "áéíóöőúüű",
        "id": "",
        "is": "áðéíóúýþæö",
        "it": "àèéìòù",
        "ja": "あいうえおアイウエオ日本語",
        "la": "",
        "lb": "äéë",
        "lt": "ąčęėįšųūž",
        "lv": "āčēģīķļņšūž",
        "ms": "",
        "mt": "ċġħż",
        "nl": "éëïóö",
        "no": "æøå",
        "oc": "àáçèéíòóú",
        "pl": "ąćęłńóśźż",
        "pt": "áâãàçéêíóôõú",
        "ro": "ăâîșț",
        "sk": "áäčďéíĺľňóôŕšťúýž",
        "sl": "čšž",
        "sq": "çë",
        "sv": "åäö",
        "sw": "",
        "tl": "ñ",
        "tr": "çğıİöşü",
        "zh": "的一是不了人我在有他這中大来上国",
    }
)
"""By ISO 639-1 code, the letters beside a to z that each language needs. Greek has no accents in the dictionary, and no
final sigma; Vietnamese has two letters of its 134."""

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "af": "afr afrikaans",
        "ca": "cat catalan",
        "cs": "ces cze czech",
        "da": "dan danish",
        "de": "deu ger german deutsch",
        "en": "eng english",
        "es": "spa spanish español",
        "et": "est estonian",
        "eu": "eus baq basque",
        "fi": "fin finnish",
        "fr": "fra fre french français",
        "ga": "gle irish",
        "gl": "glg galician",
        "hr": "hrv croatian rs_latin sr-latn srp_latn bs bos bosnian",
        "hu": "hun hungarian",
        "id": "ind indonesian",
        "is": "isl ice icelandic",
        "it": "ita italian italiano",
        "ja": "jpn japanese japan jpn_vert",
        "la": "lat latin",
        "lb": "ltz luxembourgish",
        "lt": "lit lithuanian",
        "lv": "lav latvian",
        "ms": "msa may malay",
        "mt": "mlt maltese",
        "nl": "nld dut dutch",
        "no": "nor norwegian nb nob nn nno",
        "oc": "oci occitan",
        "pl": "pol polish",
        "pt": "por portuguese português",
        "ro": "ron rum romanian",
        "sk": "slk slo slovak",
        "sl": "slv slovenian slovene",
        "sq": "sqi alb albanian",
        "sv": "swe swedish",
        "sw": "swa swahili",
        "tl": "tgl tagalog fil filipino",
        "tr": "tur turkish",
        "zh": "zho chi chinese ch ch_sim ch_tra chi_sim chi_tra chinese_cht cmn yue",
    }
)
"""By the same codes: those of ISO 639-2 and -3, names, and what other recognizers call them."""

_CODES: Mapping[str, str] = MappingProxyType(
    {name: code for code, names in _NAMES.items() for name in (code, *names.split())}
)
_OTHER_SCRIPTS = frozenset(
    {"arab", "armn", "beng", "cyrl", "deva", "ethi", "geor", "grek", "gujr", "guru", "hang", "hebr", "khmr", "knda"}
    | {"kore", "laoo", "mlym", "mymr", "orya", "sinh", "taml", "telu", "thai", "tibt"}
)
"""Subtags of scripts, of ISO 15924, whose letters are not in the dictionary."""
_ANY = frozenset({"auto", "mul", "und"})
"""What asks for no language in particular."""


def require(languages: Iterable[str]) -> None:
    """Refuse languages that cannot be read.

    Args:
        languages: tags of BCP 47 (`de-AT`, `zh-Hant`), codes of ISO 639 (`de`, `deu`, `ger`), English names, or names
            that Tesseract, EasyOCR and PaddleOCR have for them (`chi_sim`, `ch_tra`, `japan`).

    Raises:
        InvalidRequest: it names the first one and those that can be read.
    """
    for language in languages:
        if code_of(language) is None:
            raise InvalidRequest(
                f"ocr_lang: {language[:50]!r} is no language that can be read from pictures; leave it out, or use one "
                f"of {', '.join(ALPHABETS)}",
                param="ocr_lang",
            )


def code_of(language: str) -> str | None:
    """Its code of ISO 639-1, `und` where it is none in particular; None for what cannot be read."""
    name = language.strip().casefold()
    if name in _ANY:
        return "und"
    if name in _CODES:
        return _CODES[name]
    first, *subtags = name.replace("_", "-").split("-")
    return None if _OTHER_SCRIPTS.intersection(subtags) else _CODES.get(first)
