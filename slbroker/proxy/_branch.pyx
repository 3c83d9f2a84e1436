"""The hashes of `branch` and `flow`, of texts that are put together in one place: the twin of `plain` writes them."""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.string cimport memcpy, memset

from slbroker._totag cimport BLOCK, begin_hash, compress, write_hex
from slbroker.bus.msgpack cimport append, put_bytes
from slbroker.sip._grammar cimport text_of
from slbroker.sip._parser cimport CALL_ID, FROM_TAG, URI

from slbroker.proxy import branch as _branch

cdef enum:
    TEXT = 4_096  # bytes that are hashed at once; what has more takes the long way

cdef bytes _PREFIX = _branch.PREFIX
PREFIX = text_of(_PREFIX)
if _branch.BRANCH_LENGTH != BRANCH_LENGTH or len(_PREFIX) + TRANSACTION + LOOP != BRANCH_LENGTH or _branch.LOOP_LENGTH != LOOP:
    raise ImportError("_branch.pxd has other lengths than branch.py")

cdef char text[TEXT + BLOCK]
cdef uint64_t transaction_state[8]
cdef uint64_t loop_state[8]
begin_hash(transaction_state, TRANSACTION // 2, 0, b"slbroker-branch")
begin_hash(loop_state, (LOOP - 1) // 2, 0, b"slbroker-loop")


cdef bytes keyed_state(bytes secret):
    """Return the state of `flow.Seal` for Via behind the key's block."""
    cdef uint64_t state[8]
    cdef char block[BLOCK]
    if len(secret) != 32:
        raise ValueError("a secret has 32 bytes")
    begin_hash(state, MAC // 2, 32, b"slbroker-via")
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


cdef inline char *put_part(char *at, Text part) noexcept:
    """`flow.framed`, of one part."""
    return append(put_bytes(at, <uint64_t>part.length, 4), part.at, part.length)


cdef char *put_number(char *at, long long value) noexcept:
    cdef char digits[20]
    cdef int first = 20
    while True:
        first -= 1
        digits[first] = <char>(c"0" + value % 10)
        value //= 10
        if not value:
            return append(at, digits + first, 20 - first)


cdef bint write_branch(char *branch, Text sent_by, Parsed *parsed) noexcept:
    """`branch.branch_of`, of a request with an RFC 3261 branch and without Route; False where that is too long."""
    cdef Text call_id = parsed.part[CALL_ID], tag = parsed.part[FROM_TAG], uri = parsed.part[URI]
    cdef char *at
    cdef char *host
    cdef Py_ssize_t most = sent_by.length + call_id.length + tag.length + 32
    if most + parsed.branch.length > TEXT or most + uri.length > TEXT:
        return False
    append(branch, PREFIX.at, PREFIX.length)
    at = put_part(text, sent_by)
    lower(text + 4, sent_by.length)
    at = put_number(put_part(put_part(put_part(at, parsed.branch), call_id), tag), parsed.cseq)
    digest(branch + PREFIX.length, transaction_state, 0, at, TRANSACTION // 2)
    at = put_part(text, sent_by)
    lower(text + 4, sent_by.length)
    at = put_number(put_part(put_part(put_part(at, uri), call_id), tag), parsed.cseq)
    branch[PREFIX.length + TRANSACTION] = c"."
    digest(branch + PREFIX.length + TRANSACTION + 1, loop_state, 0, at, (LOOP - 1) // 2)
    return True


cdef void lower(char *at, Py_ssize_t length) noexcept:
    for place in range(length):
        if c"A" <= at[place] <= c"Z":
            at[place] |= 0x20


cdef bint write_mac(
    char *mac, const uint64_t *keyed, Text flow, Text branch, Text call_id, Text tag, long long cseq, Text method
) noexcept:
    """The MAC of `flow.Seal.token`, for our Via; False where that is of too much."""
    cdef char *at
    cdef char *length
    if flow.length + branch.length + call_id.length + tag.length + method.length + 64 > TEXT:
        return False
    at = append(put_bytes(text, <uint64_t>flow.length, 4), flow.at, flow.length)
    length = put_part(put_part(put_part(at, branch), call_id), tag)
    at = append(append(put_number(length + 4, cseq), b" ", 1), method.at, method.length)
    put_bytes(length, <uint64_t>(at - length - 4), 4)
    digest(mac, keyed, BLOCK, at, MAC // 2)
    return True
