"""The twin of `route`, of what nearly all requests inside a dialog have: Routes of ours, then a loose router's or none."""

from cpython.object cimport PyObject
from libc.string cimport memchr, strlen

from slbroker.proxy._branch cimport opened
from slbroker.sip._grammar cimport BLANK, Cursor, Text, inside, make, run, take_one, text_of
from slbroker.sip._parser cimport CALL_ID, FROM_TAG, TO_TAG, Parsed, line_end, line_of, take_sip_uri

from slbroker.proxy import route as _route

cdef bytes _TO_CALLER = _route.TO_CALLER, _TO_CALLEE = _route.TO_CALLEE
TO_CALLER, TO_CALLEE = text_of(_TO_CALLER), text_of(_TO_CALLEE)

cdef enum:
    STRANGE, OURS, LOOSE  # what an address of Route is


cdef bint read_routes(Parsed *parsed, PyObject *name, ours, Routes *routes) except -1:
    """Read the Routes of a request; return whether they are of the usual form, and a loose router's comes behind ours.

    `ours` says of a host, with its port if it has one, whether it is.
    """
    cdef Py_ssize_t at
    cdef int kind = OURS  # all that have been read are
    cdef Cursor cursor
    cdef Text uri, value
    routes.count = routes.cut_count = routes.token_count = 0
    for at in range(parsed.count):
        if parsed.names[at] != name:
            continue
        if routes.count == MOST_ROUTES:
            return False
        value = routes.values[routes.count] = parsed.values[at]
        routes.count += 1
        cursor = inside(value)
        while True:
            uri.at = cursor.at + 1
            if not take_one(&cursor, c"<") or not take_sip_uri(&cursor):
                return False
            uri.length = cursor.at - uri.at
            if not take_one(&cursor, c">"):
                return False
            if kind == OURS:
                kind = read_hop(uri, ours, routes)
                if kind == STRANGE:
                    return False
                if kind == LOOSE and uri.at - 1 > value.at:
                    cut(routes, value.at, uri.at - 1)
            run(&cursor, BLANK)
            if cursor.at == cursor.end:
                break
            if not take_one(&cursor, c","):
                return False
            run(&cursor, BLANK)
        if kind == OURS:
            cut(routes, line_of(value.at), line_end(value) + 2)
    return True


cdef inline void cut(Routes *routes, const char *at, const char *end) noexcept:
    routes.cuts[routes.cut_count] = Text(at, end - at)
    routes.cut_count += 1


cdef int read_hop(Text uri, ours, Routes *routes) except -1:
    """Return what an address is, and note what may be tokens of ours, if it is."""
    cdef const char *end = uri.at + uri.length
    cdef const char *at = <const char *>memchr(uri.at, c"@", uri.length)
    cdef Text user = Text(uri.at + 4, 0), place, params
    if uri.at[3] != c":" or routes.token_count + 2 > 2 * MOST_ROUTES:  # sips
        return STRANGE
    if at != NULL:
        user.length = at - user.at
    place.at = user.at if at == NULL else at + 1
    params.at = <const char *>memchr(place.at, c";", end - place.at)
    if params.at == NULL:
        params.at = end
    place.length, params.length = params.at - place.at, end - params.at
    if (params.at - 1)[0] == c"]" or memchr(place.at, c":", place.length) == NULL:  # no port: a transport has one
        if param_of(params, b"transport").at != NULL:
            return STRANGE
    if not ours[make(place)]:
        return LOOSE if param_of(params, b"lr").at != NULL else STRANGE
    routes.tokens[routes.token_count] = user  # which may be empty
    routes.tokens[routes.token_count + 1] = param_of(params, b"hop")
    routes.token_count += 2
    return OURS


cdef Text param_of(Text params, const char *name) noexcept:
    """Return the value of a parameter of a URI, the first of that name; `at` is NULL where there is none."""
    cdef Py_ssize_t length = <Py_ssize_t>strlen(name), same
    cdef const char *end = params.at + params.length
    cdef const char *at = params.at
    cdef const char *next
    while at < end:
        at += 1  # the semicolon
        next = <const char *>memchr(at, c";", end - at)
        next = end if next == NULL else next
        same = 0
        while same < length and at + same < next and at[same] | 0x20 == name[same]:
            same += 1
        if same == length and (at + same == next or at[same] == c"="):
            at += same + (at + same < next)
            return Text(at, next - at)
        at = next
    return Text(NULL, 0)


cdef bytes flow_of(Parsed *parsed, Routes *routes, dict route, dict path):
    """`route._flow_of`, by the keys of both seals."""
    cdef Text caller = parsed.part[FROM_TAG], callee = parsed.part[TO_TAG]
    cdef Text *by_caller = [TO_CALLEE, parsed.part[CALL_ID], caller]
    cdef Text *by_callee = [TO_CALLER, parsed.part[CALL_ID], callee]
    cdef Py_ssize_t at
    cdef Text token
    flow = None
    for at in range(routes.token_count - 1, -1, -1):
        token = routes.tokens[at]
        if caller.length:
            flow = opened(route, token, by_caller, 3)
        if flow is None and callee.length:
            flow = opened(route, token, by_callee, 3)
        if flow is None:
            flow = opened(path, token, by_callee, 0)
        if flow is not None:
            return flow
    return None


cdef bint has_maddr(Text uri) noexcept:
    """Return whether "maddr" may be in a URI: something that begins as it does, and has its length."""
    cdef Py_ssize_t at
    for at in range(uri.length - 4):
        if uri.at[at] | 0x20 == c"m" and uri.at[at + 1] | 0x20 == c"a" and uri.at[at + 2] | 0x20 == c"d":
            return True
    return False
