"""The hashes of `branch` and `flow`, of texts that are put together in one place: the twin of `plain` writes them."""

from hmac import compare_digest

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy, memset

from slbroker._totag cimport BLOCK, begin_hash, compress, write_hex
from slbroker.bus.msgpack cimport append, put_bytes
from slbroker.sip._grammar cimport make, text_of
from slbroker.sip._parser cimport CALL_ID, FROM_TAG, URI

from slbroker.proxy import branch as _branch, flow as _flow

cdef enum:
    MAC = 24  # hex digits
    TEXT = 4_096  # bytes that are hashed at once; what has more takes the long way
    TOKEN_HEAD = 31  # version, key id, MAC and a "-"; behind it is the flow

cdef Py_ssize_t MAX_TOKEN = _flow.MAX_TOKEN
cdef bytes _PREFIX = _branch.PREFIX
cdef Text PREFIX = text_of(_PREFIX)
if _branch.BRANCH_LENGTH != BRANCH_LENGTH or len(_PREFIX) + TRANSACTION + LOOP != BRANCH_LENGTH or _branch.LOOP_LENGTH != LOOP:
    raise ImportError("_branch.pxd has other lengths than branch.py")

cdef char text[TEXT + BLOCK]
cdef uint64_t transaction_state[8]
cdef uint64_t loop_state[8]
begin_hash(transaction_state, TRANSACTION // 2, 0, b"slbroker-branch")
begin_hash(loop_state, (LOOP - 1) // 2, 0, b"slbroker-loop")


cdef bytes keyed_state(bytes secret, bytes person):
    """Return the state of a `flow.Seal` behind the key's block."""
    cdef uint64_t state[8]
    cdef char block[BLOCK]
    if len(secret) != 32:
        raise ValueError("a secret has 32 bytes")
    begin_hash(state, MAC // 2, 32, person)
    memset(block, 0, BLOCK)
    memcpy(block, PyBytes_AS_STRING(secret), 32)
    compress(state, block, BLOCK, False)
    return (<char *>state)[:sizeof(state)]


cdef void digest(char *to, const uint64_t *begun, uint64_t before, const char *at, int size) noexcept:
    """Write the hash of `text` up to `at`, of so many bytes, in hex; `before` bytes have gone into the state."""
    cdef uint64_t state[8]
    cdef Py_ssize_t length = at - text, block, blocks = (length + BLOCK - 1) // BLOCK
    memset(text + length, 0, blocks * BLOCK - length)
    memcpy(state, begun, sizeof(state))
    for block in range(blocks):
        compress(state, text + block * BLOCK, before + min(length, (block + 1) * BLOCK), block == blocks - 1)
    write_hex(to, state, size)


cdef char *put_number(char *at, long long value) noexcept:
    cdef char digits[20]
    cdef int first = 20
    while True:
        first -= 1
        digits[first] = <char>(c"0" + value % 10)
        value //= 10
        if not value:
            return append(at, digits + first, 20 - first)


cdef inline Py_ssize_t room_of(const Text *parts, Py_ssize_t count) noexcept:
    """Return how many bytes `put_parts` takes."""
    cdef Py_ssize_t at, size = 0
    for at in range(count):
        size += 4 + parts[at].length
    return size


cdef inline char *put_parts(char *at, const Text *parts, Py_ssize_t count) noexcept:
    """`flow.framed`."""
    cdef Py_ssize_t part
    for part in range(count):
        at = append(put_bytes(at, <uint64_t>parts[part].length, 4), parts[part].at, parts[part].length)
    return at


cdef bint write_branch(char *branch, Text sent_by, Parsed *parsed, const Text *routes, Py_ssize_t count) noexcept:
    """`branch.branch_of`, of a request with an RFC 3261 branch; False where that is too long."""
    cdef Text *dialog = [parsed.part[CALL_ID], parsed.part[FROM_TAG]]
    cdef Text *own = [sent_by, parsed.branch]
    cdef Text *way = [sent_by, parsed.part[URI]]
    cdef char *at
    cdef Py_ssize_t most = room_of(dialog, 2) + 20
    if most + room_of(own, 2) > TEXT or most + room_of(way, 2) + room_of(routes, count) > TEXT:
        return False
    append(branch, PREFIX.at, PREFIX.length)
    at = put_parts(text, own, 2)
    lower(text + 4, sent_by.length)
    at = put_number(put_parts(at, dialog, 2), parsed.cseq)
    digest(branch + PREFIX.length, transaction_state, 0, at, TRANSACTION // 2)
    at = put_parts(text, way, 2)
    lower(text + 4, sent_by.length)
    at = put_number(put_parts(put_parts(at, routes, count), dialog, 2), parsed.cseq)
    branch[PREFIX.length + TRANSACTION] = c"."
    digest(branch + PREFIX.length + TRANSACTION + 1, loop_state, 0, at, (LOOP - 1) // 2)
    return True


cdef void lower(char *at, Py_ssize_t length) noexcept:
    for place in range(length):
        if c"A" <= at[place] <= c"Z":
            at[place] |= 0x20


cdef bint write_mac(char *mac, bytes state, Text flow, const Text *bound, Py_ssize_t count) noexcept:
    """The MAC of `flow.Seal.token`; False where that is of too much."""
    cdef uint64_t keyed[8]
    cdef char *at
    if 4 + flow.length + room_of(bound, count) > TEXT:
        return False
    memcpy(keyed, PyBytes_AS_STRING(state), sizeof(keyed))
    at = put_parts(append(put_bytes(text, <uint64_t>flow.length, 4), flow.at, flow.length), bound, count)
    digest(mac, keyed, BLOCK, at, MAC // 2)
    return True


cdef char *put_token(char *to, bytes prefix, bytes state, Text flow, const Text *bound, Py_ssize_t count) noexcept:
    """`flow.Seal.token`, bound to no more than HASHED bytes of a message, and some of ours."""
    to = append(to, PyBytes_AS_STRING(prefix), PyBytes_GET_SIZE(prefix))
    write_mac(to, state, flow, bound, count)
    return append(append(to + MAC, b"-", 1), flow.at, flow.length)


cdef bytes opened(dict states, Text token, const Text *bound, Py_ssize_t count):
    """`flow.Seal.open`: the flow in a token, None where it is not for this."""
    cdef char mac[MAC]
    cdef Text flow = Text(token.at + TOKEN_HEAD, token.length - TOKEN_HEAD)
    cdef bytes state
    if not TOKEN_HEAD < token.length <= MAX_TOKEN or memcmp(token.at, b"f1", 2) or token.at[TOKEN_HEAD - 1] != c"-":
        return None
    state = states.get(token.at[2:6])
    if state is None or not write_mac(mac, state, flow, bound, count):
        return None
    return make(flow) if compare_digest(mac[:MAC], token.at[6:TOKEN_HEAD - 1]) else None


cdef Py_ssize_t write_flow(char *to, bytes head, Text host, long long port) noexcept:
    """`flow.Flow.write`, of UDP; `head` is what stands before the port."""
    cdef Py_ssize_t at
    cdef bint is_zone = False
    cdef char *end = append(to, PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head))
    end = append(put_number(end, port), b"--", 2)
    for at in range(host.length):
        end[at] = host.at[at]
        if not is_zone and host.at[at] == c":":
            end[at] = c"_"
        elif not is_zone and host.at[at] == c"%":
            end[at] = c"~"
            is_zone = True
    return end + host.length - to


cdef Text cseq_of(char *to, long long cseq, Text method) noexcept:
    """Write number and method as CSeq has them."""
    cdef char *end = append(append(put_number(to, cseq), b" ", 1), method.at, method.length)
    return Text(to, end - to)
