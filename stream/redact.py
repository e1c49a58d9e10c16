"""Takes secrets out of text that a person or a log will see: passwords and tokens that travel inside addresses."""

from __future__ import annotations

import re
from traceback import format_exception

HIDDEN = "***"

# An address inside a sentence ends at white space: a quotation mark may be part of a password.
_ADDRESS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)(?P<rest>\S+)")
_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")
_SECRET_NAME = "(?:pass|pwd|token|secret|key|auth|sig|credential)"
_SECRET_PARAMETER = re.compile(rf"(?P<name>[?&#;][^=&#;\s]*{_SECRET_NAME}[^=&#;\s]*=)[^&#;\s'\"]*", re.IGNORECASE)


def redact(text: str) -> str:
    """`text` with every password, and every query parameter that sounds like a secret, hidden in each address in it."""
    return _ADDRESS.sub(lambda match: match["scheme"] + _redact_rest(match["rest"]), text)


def sounds_secret(name: str) -> bool:
    """Whether something of that name is better not shown."""
    return re.search(_SECRET_NAME, name, re.IGNORECASE) is not None


def redacted_trace(error: BaseException) -> str:
    """Where `error` comes from, for a log: its traceback without secrets, which libraries put into their messages."""
    return redact("".join(format_exception(error))).rstrip()


def _redact_rest(rest: str) -> str:
    end = _user_part_end(rest)
    user_part, rest = rest[:end], rest[end:]
    rest = _SECRET_PARAMETER.sub(lambda match: match["name"] + HIDDEN, rest)
    if not user_part:
        return rest
    user, colon, _ = user_part.partition(":")
    # A name alone, without a password, is often an access token.
    return f"{user}:{HIDDEN}@{rest}" if colon else f"{HIDDEN}@{rest}"


def _user_part_end(rest: str) -> int:
    """Where the `user:password@` in front of a host ends; 0 when there is none.

    A password with an unescaped `/`, `?` or `#` makes an invalid address, but the address comes back in error messages
    all the same. It shows itself by a "port" that is no number, followed by an `@` later on.
    """
    authority = rest.partition("/")[0]
    if "@" in authority:
        return authority.rindex("@") + 1
    if "@" in rest and not _PORT.fullmatch(authority):
        return rest.rindex("@") + 1
    return 0
