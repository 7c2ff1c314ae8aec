"""The methods Envoy's HTTP/1 codec takes; any other, or one in lower case, is answered with 400.

Source: envoy `source/common/http/http1/balsa_parser.cc` isMethodValid.
"""

from __future__ import annotations

_COMMON = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_RARE = (
    *("ACL", "BIND", "CHECKOUT", "COPY", "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE"),
    *("MSEARCH", "NOTIFY", "PROPFIND", "PROPPATCH", "PURGE", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE"),
    *("UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE"),
)
METHODS = frozenset((*_COMMON, *_RARE))
