"""One spelling for the many that a page's address has."""

import re
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"utm_\w+|(?:fb|g|dc|ms|tw|ys|wickeds|wb|gb|yc|tt)clid|gclsrc|mc_[ce]id|igshid|_ga|_gl|_hsenc|_hsmi"
    r"|mkt_tok|ncid|ocid|cmpid|s_cid|smid|ito|ref_src|ref_url|fb_(?:action|ref|source)\w*|wt_mc"
    r"|at_(?:medium|campaign|custom)\w*|__twitter_impression|guccounter|guce_\w+|spm|xtor|oly_\w+"
    r"|vero_id|trk\w{0,10}|feature=share|ftag|soc_(?:src|trk)|traffic_source|partner_source|amp_js_v"
)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_ODD = re.compile(r"[^!-~]+")


def canonical_url(url: str) -> str:
    """Return the canonical spelling of an address: the same page, fewer ways to write it.

    Scheme and host in lower case, no user, default port or fragment, no tracking parameters,
    percent escapes in upper case and only where needed, no slash at the end of a path. The order
    of parameters stays, and so do `www.` and the scheme, since they may matter. What is no http(s)
    address is returned without surrounding white space.
    """
    url = _ODD.sub(_quoted, url.strip())
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        return url
    host = parts.hostname.rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        host = f"{host}:{port}"
    path = _ESCAPE.sub(_unescaped, parts.path)
    query = "&".join(
        _ESCAPE.sub(_unescaped, pair)
        for pair in parts.query.split("&")
        if pair and not _TRACKING.fullmatch(pair.partition("=")[0])
    )
    return urlunsplit(SplitResult(scheme, host, path.rstrip("/") or "/", query, ""))


def same_site(base: str, link: str) -> str:
    """Return a link of a page in full and canonical, or nothing if it leads to another host."""
    try:
        joined = urljoin(base, link.strip())
        host, other = urlsplit(base).hostname, urlsplit(joined).hostname
    except ValueError:
        return ""
    if not host or not other or host.removeprefix("www.") != other.removeprefix("www."):
        return ""
    return canonical_url(joined)


def _quoted(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace"))


def _unescaped(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if _UNRESERVED.match(char) else found[0].upper()
