"""Which encoding a text is in that says nothing of it: frequent letters tell even short ones apart."""
# ruff: noqa: RUF001 - letters and signs of many languages

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from charset_normalizer import from_bytes

_SAMPLE_BYTES = 16_384
"""Enough to tell an encoding; a detector that read all of 50 MB would take minutes."""
_LEAST_SCORE = 0.5
"""Below it no encoding of the table explains the text, and charset-normalizer is asked, which knows more of them."""
_HIGH = re.compile(rb"[\x80-\xff]")


def guess(data: bytes) -> str:
    """The encoding that explains a text best, of those that whole countries wrote in."""
    first = _HIGH.search(data)
    start = max(0, first.start() - 256) if first else 0
    sample = data[start : start + _SAMPLE_BYTES]
    scores = {encoding: score(sample) for encoding, score in _SCORES.items() if _is_valid(sample, encoding)}
    best = max(scores, key=lambda encoding: scores[encoding])
    if scores[best] >= _LEAST_SCORE:
        return best
    found = from_bytes(sample).best()
    return found.encoding if found is not None and not _is_wide(found.encoding) else "cp1252"


def _is_wide(encoding: str) -> bool:
    return encoding.startswith(("utf", "u16", "u32"))


def _is_valid(sample: bytes, encoding: str) -> bool:
    """True when the sample is text in this encoding; its last character may be cut off."""
    if encoding == "cp1252":
        return True
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


_Score = Callable[[bytes], float]
_WORD = re.compile(r"[^\W\d_]+")
_ALL_HIGH = re.compile(r"[^\0-\x7f]+")
_IN_LATIN_WORD = re.compile(r"(?<=[A-Za-z])[^\0-\x7f](?=[a-z])")
_FRAME = re.compile(r"[\u2500\u2550]{3}")
_SIGN_IN_WORD = re.compile(r"[£³²¹¼½¾](?=[^\W\d_])")


def _high(text: str) -> int:
    return max(1, sum(not char.isascii() for char in text))


def _is_cased(word: str) -> bool:
    """True for words in lower case, in upper case, capitalised, or of an alphabet that has no case."""
    return word.islower() or word.isupper() or word.istitle() or word.lower() == word.upper()


def _loose(text: str) -> float:
    """The share of letters beyond ASCII that do not stand alone in a Latin word, as in "Pr始om" for "Prénom"."""
    return 1 - min(1, len(_IN_LATIN_WORD.findall(text)) * 2 / _high(text))


def _framed(text: str) -> int:
    """How many characters draw frames, in a text that does."""
    return sum(char in _FRAMES for char in text) if _FRAME.search(text) else 0


def _latin(encoding: str, languages: Sequence[str], prior: float = 1) -> _Score:
    """Scores accented letters among plain ones: the share that one language has."""
    sets = [frozenset(letters + letters.upper()) for letters in languages]

    def score(sample: bytes) -> float:
        text = sample.decode(encoding, "replace")
        words = list(filter(_is_cased, _WORD.findall(text)))
        whole = [word for word in words if len(word) > 1 and _ALL_HIGH.fullmatch(word)]
        mixed = (word for word in words if len(word) == 1 or not _ALL_HIGH.fullmatch(word))
        accented = [char for word in mixed for char in word if not char.isascii()]
        letters = max(
            sum(char in own for char in accented)
            + sum(len(word) for word in whole if len(word) > 2 and own.issuperset(word))
            for own in sets
        )
        signs = sum(char in _TYPOGRAPHY for char in text) - len(_SIGN_IN_WORD.findall(text))
        return (letters + (signs + _framed(text)) * 0.8) / _high(text) * prior

    return score


def _alphabet(encoding: str, letters: str, common: str, expected: float, last: str = "") -> _Score:
    """Scores the words of an alphabet: all their letters are of it, in one case, and the usual ones are frequent."""
    own, usual, final = frozenset(letters + letters.upper()), frozenset(common), frozenset(last)

    def is_word(word: str) -> bool:
        return _is_cased(word) and own.issuperset(word) and final.isdisjoint(word[:-1])

    def score(sample: bytes) -> float:
        text = sample.decode(encoding, "ignore")
        words = list(filter(is_word, _WORD.findall(text)))
        good = sum(map(len, words))
        share = sum(char in usual for word in words for char in word.lower()) / max(1, good)
        return good / max(1, _high(text) - _framed(text)) * (0.6 * min(1, share / expected) + 0.4 * share)

    return score


def _thai(sample: bytes) -> float:
    """Thai has no spaces between words, so that its frequent letters tell it."""
    text = sample.decode("cp874", "ignore")
    thai = [char for char in text if "\u0e01" <= char <= "\u0e5b"]
    usual = sum(char in _USUAL_THAI for char in thai)
    marks = sum(char in _THAI_MARKS for char in thai)
    is_told = usual >= len(thai) * 0.55 and marks >= len(thai) * 0.1 and len(thai) > 2
    return 0.85 * len(thai) / _high(text) * _loose(text) if is_told else 0


def _pairs(encoding: str, common: re.Pattern[bytes], pair: re.Pattern[bytes], usual: frozenset[str]) -> _Score:
    """Scores an encoding of two bytes a character: the share of frequent ones, by where its table has them."""

    def score(sample: bytes) -> float:
        found = pair.findall(sample)
        frequent = sum(len(two) / 2 for two in found if common.fullmatch(two)) / max(1, len(found))
        text = sample.decode(encoding, "ignore")
        share = sum(char in usual for char in text) / _high(text)
        sure = 1 if len(found) > 1 else 0.9
        return frequent * sure * (0.85 + 0.15 * min(1, share / 0.3)) * _loose(text)

    return score


def _korean(sample: bytes) -> float:
    """Hangul as it is written: Chinese read as Korean is Hangul too, but of syllables that nobody uses."""
    text = sample.decode("cp949", "ignore")
    hangul = [char for char in text if "\uac00" <= char <= "\ud7a3"]
    usual = sum(char in _HANGUL for char in hangul) / max(1, len(hangul))
    known = len(hangul) + sum(char in _CJK_MARKS for char in text)
    return known / _high(text) * min(1, usual / 0.4) * _loose(text)


_CJK_MARKS = frozenset("　、。，！？：；（）「」『』《》【】·“”‘’…—ー")
_KANA = frozenset(map(chr, [*range(0x3041, 0x30FF), 0x3002, 0x3001, *range(0xFF66, 0xFFA0)]))
_HANGUL = frozenset(
    "이다는을에의가를은로하고한지기사그어리있도나시자서아인대정스라수일해부니들여보것으전제상만과주게면구원장안소공성년모오동비우"
    "선적마말되위신김미경연생방문유실물회관때무조재계발용와었했습까요세녕름철울산울강박최국민학교"
)
_HANZI = frozenset(
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日"
    "于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月"
    "明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加"
    "化由却代军产入先山五太水万市京城姓張張伟上這個們為來國說會學對時過後麼發當無開動長現將與進實點種聲話兒問機給業間東關體臺灣台"
)
_KANJI = frozenset(
    "日本人大一国年中会社東京都市県区町村山川田木前後上下行生学校時分名高小長出入手目口力子女男見今月火水金土先何私者部野新地方海"
    "語文字画電話車食事来立百千万円間家店花太郎阪神戸横浜福岡通動物言思自同民気体内外業安全定場合的電表示数番号住所氏性別備考"
)
_THAI_MARKS = frozenset("\u0e31\u0e34\u0e35\u0e36\u0e37\u0e38\u0e39\u0e47\u0e48\u0e49\u0e4c")
_USUAL_THAI = frozenset("านรอกเงยมลวดทสตคะไปแบหชจขใ") | _THAI_MARKS
_FRAMES = frozenset(map(chr, range(0x2500, 0x25A0)))
_TYPOGRAPHY = frozenset("\u00a0«»°§©®·½¼¾±µ£€–—‘’“”„‚…•™×²³¡¿ªº†")

_WESTERN = (
    "àâæçéèêëîïôœùûüÿ",
    "äöüß",
    "áéíóúüñ",
    "ãáàâçéêíóôõúü",
    "àèéìíîòóù",
    "åäöé",
    "æøåé",
    "áðéíóúýþæö",
    "éëïöüèáóú",
    "áàéèíïóòúüçl·",
)
_CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čšžćđ", "ăâîşţ")
_CYRILLIC = ("абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґ", "оеаинтсрвлі", 0.4)
_EUC_PAIR = re.compile(rb"\x8e[\xa1-\xdf]|[\x81-\xfe][\x30-\xfe]")
_SJIS_PAIR = re.compile(rb"[\xa1-\xdf]|[\x81-\x9f\xe0-\xfc][\x40-\xfc]")
_GREEK = ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ", "αοιετσνηυρόήίέά", 0.5, "ς")
_HEBREW = ("אבגדהוזחטיכךלמםנןסעפףצץקרשת", "יוהלאמתרבשםןע", 0.5, "ךםןףץ")
_ARABIC = ("ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي", "اليمنوترهبع", 0.5)

_LATIN_9 = _latin("iso8859_15", _WESTERN, 0.95)
"""Windows-1252 but for a euro sign and few letters."""

_SCORES: Mapping[str, _Score] = MappingProxyType(
    {
        "cp1252": _latin("cp1252", _WESTERN),
        "cp1250": _latin("cp1250", _CENTRAL, 0.9),
        "iso8859_2": _latin("iso8859_2", _CENTRAL, 0.9),
        "cp1254": _latin("cp1254", ("çğıöşüİâîû",), 0.9),
        "cp1257": _latin("cp1257", ("āčēģīķļņšūž", "ąčęėįšųūž", "äõöüšž"), 0.9),
        "cp1251": _alphabet("cp1251", *_CYRILLIC),
        "koi8_r": _alphabet("koi8_r", *_CYRILLIC),
        "koi8_u": _alphabet("koi8_u", *_CYRILLIC),
        "cp866": _alphabet("cp866", *_CYRILLIC),
        "iso8859_5": _alphabet("iso8859_5", *_CYRILLIC),
        "mac_cyrillic": _alphabet("mac_cyrillic", *_CYRILLIC),
        "cp1253": _alphabet("cp1253", *_GREEK),
        "cp1255": _alphabet("cp1255", *_HEBREW),
        "cp1256": _alphabet("cp1256", *_ARABIC),
        "cp932": _pairs(
            "cp932",
            re.compile(rb"[\xa6-\xdf]|\x81[\x40-\xac]|[\x82\x83][\x40-\xf1]|[\x88-\x97][\x40-\xfc]"),
            _SJIS_PAIR,
            _KANJI | _KANA,
        ),
        "gb18030": _pairs("gb18030", re.compile(rb"[\xa1\xa3][\xa1-\xfe]|[\xb0-\xd7][\xa1-\xfe]"), _EUC_PAIR, _HANZI),
        "euc_jp": _pairs(
            "euc_jp", re.compile(rb"[\xa1\xa3-\xa5\xb0-\xcf][\xa1-\xfe]|\x8e."), _EUC_PAIR, _KANJI | _KANA
        ),
        "big5hkscs": _pairs("big5hkscs", re.compile(rb"[\xa1\xa2\xa4-\xc6][\x40-\x7e\xa1-\xfe]"), _EUC_PAIR, _HANZI),
        "cp949": _korean,
        "cp874": _thai,
        "mac_roman": _latin("mac_roman", _WESTERN, 0.75),
        "cp850": _latin("cp850", _WESTERN, 0.75),
        "cp437": _latin("cp437", _WESTERN, 0.74),
        "iso8859_15": lambda sample: _LATIN_9(sample) if b"\xa4" in sample else 0,
    }
)
"""How well an encoding explains a text, 0 to about 1. The first wins a tie."""
