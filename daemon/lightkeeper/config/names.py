"""How Kubernetes writes names, labels and selectors: its own rules, as patterns.

No look-behind and no flags, so that they mean the same in a JSON Schema; nothing in them can match
a text in many ways, so that none takes long to be refused.
"""

from __future__ import annotations

from typing import Final

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PART: Final = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_PART}(\.{_PART})*"
_WORD: Final = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_KEY: Final = rf"((?=[^/]{{1,253}}/){_SUBDOMAIN}/)?{_WORD}"

NAME: Final = rf"^(?=.{{1,253}}$){_SUBDOMAIN}$"
"""Of a Secret or a Lease."""
NAMESPACED: Final = rf"^{_LABEL}/(?=.{{1,253}}$){_SUBDOMAIN}$"
"""A namespace and a name in it."""
NAMESPACES: Final = r"^[a-z0-9*?]([a-z0-9*?-]{0,61}[a-z0-9*?])?$"
"""A namespace, or a pattern of them: `*` stands for any characters, `?` for one."""

OURS: Final = "lightkeeper.io/"
"""What the labels and annotations begin with that Lightkeeper itself writes."""
LABEL_KEY: Final = rf"^(?!lightkeeper\.io/){_KEY}$"
"""Of an annotation as well; not one of those."""
LABEL_VALUE: Final = rf"^({_WORD})?$"

# Each part takes the blanks behind it and none before.
_ONE_OF: Final = rf"\( *({_WORD} *)?(, *({_WORD} *)?)*\) *"
_REQUIREMENT: Final = (
    rf"(! *{_KEY} *|{_KEY} *((==?|!=) *({_WORD} *)?)?|{_KEY} +(in|notin) *{_ONE_OF})"
)
SELECTOR: Final = rf"^(?=.{{1,1000}}$) *{_REQUIREMENT}(, *{_REQUIREMENT})*$"
"""A label selector by equality (`a=b`, `a!=b`), sets (`a in (b, c)`) and presence (`a`, `!a`)."""
