"""Hidden text: what Word does not show (`w:vanish`)."""

from __future__ import annotations

from services.documents.backends.reading.docx.names import R_PR, VALUE, Element, W, is_on, remove

VANISH = W + "vanish"
_STYLE = W + "style"
_MOST_ANCESTORS = 32


class Hiding:
    """Which runs are hidden: by themselves, by their style, or by that of the paragraph.

    Args:
        styles: the root of the part of styles; None without one.
    """

    def __init__(self, styles: Element | None) -> None:
        self._own: dict[str, bool] = {}
        self._based_on: dict[str, str] = {}
        self._default = ""
        for style in styles.iterfind(_STYLE) if styles is not None else ():
            name = style.get(W + "styleId", "")
            if (says := is_on(style.find(f"{R_PR}/{VANISH}"))) is not None:
                self._own[name] = says
            if (base := style.find(W + "basedOn")) is not None:
                self._based_on[name] = base.get(VALUE, "")
            if style.get(W + "type") == "paragraph" and style.get(W + "default") in {"1", "true"}:
                self._default = name

    def hides(self, run: Element, paragraph_style: str) -> bool:
        """True when a run is not shown."""
        properties = run.find(R_PR)
        if properties is not None:
            if (says := is_on(properties.find(VANISH))) is not None:
                return says
            style = properties.find(W + "rStyle")
            if style is not None and (says := self._by_style(style.get(VALUE, ""))) is not None:
                return says
        return bool(self._by_style(paragraph_style or self._default))

    def _by_style(self, name: str) -> bool | None:
        for _ in range(_MOST_ANCESTORS):
            if name in self._own:
                return self._own[name]
            if name not in self._based_on:
                return None
            name = self._based_on[name]
        return None


def reveal(*roots: Element | None) -> None:
    """Show what is hidden."""
    for root in roots:
        for switch in list(root.iter(VANISH)) if root is not None else ():
            remove(switch)
