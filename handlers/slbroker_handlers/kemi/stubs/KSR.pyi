"""Kamailio's KEMI interface, as far as slbroker runs it. Made by its stubwriter; do not edit.

Functions that return int succeed above 0 and fail below: they are neither True nor False. Names of arguments are for
reading: KSR takes no keywords.
"""

from typing import Any, TypeAlias

# Scripts join and search what they get without asking first whether it is there, so neither makes them ask.
Xval: TypeAlias = Any  # str, int or None, as the pseudo-variable is
Text: TypeAlias = str | Any  # str, or None where there is none

def add_local_rport() -> bool:
    """Ask for rport in the own Via. Here: the edge keeps its connections itself: nothing comes of it."""
def crit(message: str, /) -> None:
    """Log at level critical."""
def dbg(message: str, /) -> None:
    """Log at level debug."""
def err(message: str, /) -> None:
    """Log at level error."""
def force_rport() -> bool:
    """Send the reply to the port that the request came from. Here: the edge decides by the Via where the reply goes: rport is honoured where the client asked for it."""
def forward() -> int:
    """Let the request go on, statelessly, to the destination URI or else to the Request-URI: 1; -1 for no SIP URI. Here: it goes on when the route has ended, once: a second call is -1; the edge looks the name up then, and the script is told 1; sips means TLS."""
def forward_uri(uri: str, /) -> int:
    """Let the request go on to `uri`; as `forward` where that is "". Here: it goes on when the route has ended, once: a second call is -1; the edge looks the name up then, and the script is told 1; sips means TLS."""
def get_debug() -> int:
    """Return the log level. Here: always 2, Kamailio's level for info."""
def info(message: str, /) -> None:
    """Log at level info."""
def is_ACK() -> bool:
    """Return whether the method is ACK."""
def is_BYE() -> bool:
    """Return whether the method is BYE."""
def is_CANCEL() -> bool:
    """Return whether the method is CANCEL."""
def is_DELETE() -> bool:
    """Return whether the method is DELETE."""
def is_GET() -> bool:
    """Return whether the method is GET."""
def is_INFO() -> bool:
    """Return whether the method is INFO."""
def is_INVITE() -> bool:
    """Return whether the method is INVITE."""
def is_IPv4() -> bool:
    """Return whether the request came over IPv4."""
def is_IPv6() -> bool:
    """Return whether the request came over IPv6."""
def is_KDMQ() -> bool:
    """Return whether the method is KDMQ."""
def is_MESSAGE() -> bool:
    """Return whether the method is MESSAGE."""
def is_NOTIFY() -> bool:
    """Return whether the method is NOTIFY."""
def is_OPTIONS() -> bool:
    """Return whether the method is OPTIONS."""
def is_POST() -> bool:
    """Return whether the method is POST."""
def is_PRACK() -> bool:
    """Return whether the method is PRACK."""
def is_PUBLISH() -> bool:
    """Return whether the method is PUBLISH."""
def is_PUT() -> bool:
    """Return whether the method is PUT."""
def is_REFER() -> bool:
    """Return whether the method is REFER."""
def is_REGISTER() -> bool:
    """Return whether the method is REGISTER."""
def is_SCTP() -> bool:
    """Return whether the request came over SCTP."""
def is_SUBSCRIBE() -> bool:
    """Return whether the method is SUBSCRIBE."""
def is_TCP() -> bool:
    """Return whether the request came over TCP."""
def is_TCPX() -> bool:
    """Return whether the request came over TCP OR TLS OR WS OR WSS."""
def is_TLS() -> bool:
    """Return whether the request came over TLS."""
def is_UDP() -> bool:
    """Return whether the request came over UDP."""
def is_UPDATE() -> bool:
    """Return whether the method is UPDATE."""
def is_WS() -> bool:
    """Return whether the request came over WS."""
def is_WSS() -> bool:
    """Return whether the request came over WSS."""
def is_WSX() -> bool:
    """Return whether the request came over WS OR WSS."""
def is_dst_port(port: int, /) -> bool:
    """Return whether the request came to this port."""
def is_method(methods: str, /) -> bool:
    """Return whether the method is this one, or one of several with | between them, in any case."""
def is_method_in(letters: str, /) -> bool:
    """Return whether the method is one of those that the letters stand for: I for INVITE, O for OPTIONS and so on."""
def is_myself(uri: str, /) -> bool:
    """Return whether a URI, or a host, is us. Here: we are the socket that this request came to, and each --kemi-param core.alias."""
def is_myself_duri() -> bool:
    """Return whether the destination URI is one of ours; there is none until the script sets it. Here: we are the socket that this request came to, and each --kemi-param core.alias."""
def is_myself_furi() -> bool:
    """Return whether From's URI is one of ours. Here: we are the socket that this request came to, and each --kemi-param core.alias."""
def is_myself_nhuri() -> bool:
    """Return whether the next hop, the destination URI or else the Request-URI, is us. Here: we are the socket that this request came to, and each --kemi-param core.alias."""
def is_myself_ruri() -> bool:
    """Return whether the Request-URI leads to us. Here: we are the socket that this request came to, and each --kemi-param core.alias."""
def is_myself_srcip() -> bool:
    """Return whether the request came from one of our addresses. Here: we are the socket that this request came to, and each --kemi-param core.alias."""
def is_myself_suri() -> bool:
    """Return whether the request came from one of our own sockets. Here: we are the socket that this request came to, and each --kemi-param core.alias."""
def is_myself_turi() -> bool:
    """Return whether To's URI is one of ours. Here: we are the socket that this request came to, and each --kemi-param core.alias."""
def is_proto(letters: str, /) -> bool:
    """Return whether the request's transport is one that the letters stand for: U, T, E for TLS, W, V for WSS, S."""
def is_src_port(port: int, /) -> bool:
    """Return whether the request came from this port."""
def isbflagset(flag: int, /) -> bool:
    """Return whether a flag of the first branch is set."""
def isbiflagset(flag: int, branch: int, /) -> bool:
    """Return whether a flag of a branch is set."""
def isdsturiset() -> bool:
    """Return whether there is a destination URI."""
def isflagset(flag: int, /) -> bool:
    """Return whether a flag of the request is set."""
def issflagset(flag: int, /) -> bool:
    """Return whether a script flag is set."""
def log(level: str, message: str, /) -> None:
    """Log at "dbg", "info", "warn" or "crit"; any other word means error."""
def notice(message: str, /) -> None:
    """Log at level notice. Here: logged as info."""
def resetbflag(flag: int, /) -> bool:
    """Clear a flag of the first branch."""
def resetbiflag(flag: int, branch: int, /) -> bool:
    """Clear a flag of a branch."""
def resetdsturi() -> bool:
    """Forget the destination URI."""
def resetflag(flag: int, /) -> bool:
    """Clear a flag of the request."""
def resetsflag(flag: int, /) -> bool:
    """Clear a script flag."""
def set_drop() -> None:
    """Drop a reply when its route ends. A request that goes on, and replies of ours, leave all the same."""
def set_forward_close() -> bool:
    """Close the connection when the request was forwarded. Here: the edge keeps its connections itself: nothing comes of it."""
def set_forward_no_connect() -> bool:
    """Open no connection to forward the request. Here: the edge keeps its connections itself: nothing comes of it."""
def set_reply_close() -> bool:
    """Close the connection when a reply that is made from now on was sent."""
def set_reply_no_connect() -> bool:
    """Open no connection to send the reply; the edge never does."""
def setbflag(flag: int, /) -> bool:
    """Set a flag of the first branch. Here: there are no branches, so the flag serves the script alone."""
def setbiflag(flag: int, branch: int, /) -> bool:
    """Set a flag of a branch."""
def setdsturi(uri: str, /) -> bool:
    """Set the destination URI, to which the request goes when it goes on; "" is none."""
def setflag(flag: int, /) -> bool:
    """Set a flag of the request, 0 to 31."""
def sethost(host: str, /) -> bool:
    """Change the host of the Request-URI; a port may stand behind it where the URI has none."""
def setsflag(flag: int, /) -> bool:
    """Set a script flag; it is cleared with the route's end, as the flags of the request are."""
def seturi(uri: str, /) -> bool:
    """Change the Request-URI; a 3xx reply then leads there."""
def setuser(user: str, /) -> bool:
    """Change the user of the Request-URI; "" takes it out."""
def to_IPv4() -> bool:
    """Return whether the next hop is an IPv4 address."""
def to_IPv6() -> bool:
    """Return whether the next hop is an IPv6 address."""
def to_SCTP() -> bool:
    """Return whether the next hop's URI names SCTP."""
def to_TCP() -> bool:
    """Return whether the next hop's URI names TCP."""
def to_TLS() -> bool:
    """Return whether the next hop's URI names TLS."""
def to_UDP() -> bool:
    """Return whether the next hop's URI names UDP."""
def to_WS() -> bool:
    """Return whether the next hop's URI names WS."""
def to_WSS() -> bool:
    """Return whether the next hop's URI names WSS."""
def to_WSX() -> bool:
    """Return whether the next hop's URI names WS OR WSS."""
def warn(message: str, /) -> None:
    """Log at level warning."""

class _auth:
    @staticmethod
    def auth_algorithm(algorithm: str, /) -> int:
        """Choose the algorithm of challenges. Here: MD5 alone: 1, any other: -1."""
    @staticmethod
    def auth_challenge(realm: str, flags: int, /) -> int:
        """Challenge: 401 for REGISTER, else 407. Flag 1 asks for qop=auth, flag 16 says that the nonce was stale. Here: MD5 only; nonces are signed with the key ring and expire after auth.nonce_expire seconds."""
    @staticmethod
    def auth_get_www_authenticate(realm: str, flags: int, target: str, /) -> int:
        """Set a pseudo-variable to a WWW-Authenticate header, with its line end, for append_to_reply. Here: MD5 only; nonces are signed with the key ring and expire after auth.nonce_expire seconds."""
    @staticmethod
    def consume_credentials() -> int:
        """Take the credentials that were judged out of the request that goes on: 1, -1 where none were."""
    @staticmethod
    def has_credentials(realm: str, /) -> int:
        """Return 1 when the request has digest credentials for a realm."""
    @staticmethod
    def proxy_challenge(realm: str, flags: int, /) -> int:
        """Challenge with 407. Here: MD5 only; nonces are signed with the key ring and expire after auth.nonce_expire seconds."""
    @staticmethod
    def pv_auth_check(realm: str, password: str, flags: int, checks: int, /) -> int:
        """Judge the credentials by a password (an HA1 with flag 1): 1, -2 wrong, -4 the nonce is too old, -5 none. Here: MD5 only; nonces are signed with the key ring and expire after auth.nonce_expire seconds."""
    @staticmethod
    def pv_proxy_authenticate(realm: str, password: str, flags: int, /) -> int:
        """Judge the credentials in Proxy-Authorization by a password. Here: MD5 only; nonces are signed with the key ring and expire after auth.nonce_expire seconds."""
    @staticmethod
    def pv_www_authenticate(realm: str, password: str, flags: int, /) -> int:
        """Judge the credentials in Authorization by a password. Here: MD5 only; nonces are signed with the key ring and expire after auth.nonce_expire seconds."""
    @staticmethod
    def pv_www_authenticate_method(realm: str, password: str, flags: int, method: str, /) -> int:
        """Judge the credentials in Authorization by a password, as those of a request with this method. Here: MD5 only; nonces are signed with the key ring and expire after auth.nonce_expire seconds."""
    @staticmethod
    def www_challenge(realm: str, flags: int, /) -> int:
        """Challenge with 401. Here: MD5 only; nonces are signed with the key ring and expire after auth.nonce_expire seconds."""

class _cfgutils:
    @staticmethod
    def core_hash(first: str, second: str, size: int, /) -> int:
        """Return a number from 1 to 2 to the power of `size` that is made of one text or two; from 1 to 2 for size 0."""
    @staticmethod
    def lock(key: str, /) -> int:
        """Return 1: a worker runs one request at a time. Here: nothing to lock: a worker runs one request at a time, and other workers know nothing of it."""
    @staticmethod
    def lock_key2(name: str, key: str, /) -> int:
        """Return 1: a worker runs one request at a time. Here: nothing to lock: a worker runs one request at a time, and other workers know nothing of it."""
    @staticmethod
    def rand_event() -> int:
        """Return 1 with the probability that rand_set_prob has set, else -1."""
    @staticmethod
    def rand_get_prob() -> int:
        """Return the probability."""
    @staticmethod
    def rand_reset_prob() -> int:
        """Set the probability to what it was at first, 10 percent."""
    @staticmethod
    def rand_set_prob(percent: int, /) -> int:
        """Set the probability in percent."""
    @staticmethod
    def sleep(seconds: int, /) -> int:
        """Wait. Here: blocks this worker, for 5 s at most; other requests wait."""
    @staticmethod
    def trylock(key: str, /) -> int:
        """Return 1: a worker runs one request at a time. Here: nothing to lock: a worker runs one request at a time, and other workers know nothing of it."""
    @staticmethod
    def trylock_key2(name: str, key: str, /) -> int:
        """Return 1: a worker runs one request at a time. Here: nothing to lock: a worker runs one request at a time, and other workers know nothing of it."""
    @staticmethod
    def unlock(key: str, /) -> int:
        """Return 1: a worker runs one request at a time. Here: nothing to lock: a worker runs one request at a time, and other workers know nothing of it."""
    @staticmethod
    def unlock_key2(name: str, key: str, /) -> int:
        """Return 1: a worker runs one request at a time. Here: nothing to lock: a worker runs one request at a time, and other workers know nothing of it."""
    @staticmethod
    def usleep(microseconds: int, /) -> int:
        """Wait. Here: blocks this worker, for 5 s at most; other requests wait."""

class _corex:
    @staticmethod
    def append_branch() -> int:
        """Make the Request-URI a branch."""
    @staticmethod
    def append_branch_uri(uri: str, /) -> int:
        """Add a branch: a 3xx reply names it in its Contact."""
    @staticmethod
    def append_branch_uri_q(uri: str, q: str, /) -> int:
        """Add a branch with a q value, 0 to 1."""
    @staticmethod
    def file_read(path: str, /) -> Text:
        """Return a file's text, None when it cannot be read."""
    @staticmethod
    def has_ruri_user() -> int:
        """Return 1 when the Request-URI has a user."""
    @staticmethod
    def has_user_agent() -> int:
        """Return 1 when the request has a User-Agent that is not empty."""
    @staticmethod
    def is_faked_msg() -> int:
        """Return -1: every request is one that came."""
    @staticmethod
    def is_socket_name(name: str, /) -> int:
        """Return -1: sockets have no names here. Here: sockets have no names here: always -1."""
    @staticmethod
    def isxflagset(flag: int, /) -> int:
        """Return 1 when an extended flag is set."""
    @staticmethod
    def resetxflag(flag: int, /) -> int:
        """Clear an extended flag."""
    @staticmethod
    def setxflag(flag: int, /) -> int:
        """Set an extended flag, 0 to 63."""
    @staticmethod
    def via_reply_add_xavp_params(value: int, /) -> int:
        """Let replies have parameters of an $xavp in the top Via. Here: there is no core parameter xavp_via_reply_params here, so nothing is added, as without it."""

class _counters:
    @staticmethod
    def add(name: str, number: int, /) -> int:
        """Add to a counter. Here: local to a worker, which logs them when it stops; names need no declaration."""
    @staticmethod
    def inc(name: str, /) -> int:
        """Add 1 to a counter. Here: local to a worker, which logs them when it stops; names need no declaration."""
    @staticmethod
    def reset(name: str, /) -> int:
        """Set a counter to 0. Here: local to a worker, which logs them when it stops; names need no declaration."""

class _hdr:
    @staticmethod
    def append(text: str, /) -> int:
        """Put header lines behind the others. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def append_after(text: str, name: str, /) -> int:
        """Put header lines behind the first header called `name`, behind all where there is none. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def append_to_reply(text: str, /) -> int:
        """Put header lines, each with its line end, into every reply to this request that is made from now on."""
    @staticmethod
    def get(name: str, /) -> Text:
        """Return the first such header's value, None where there is none."""
    @staticmethod
    def get_idx(name: str, index: int, /) -> Text:
        """Return the value of the header at `index`, from the end when that is negative, None where there is none."""
    @staticmethod
    def gete(name: str, /) -> str:
        """Return the first such header's value, "" where there is none."""
    @staticmethod
    def gete_idx(name: str, index: int, /) -> str:
        """Return the value of the header at `index`, from the end when that is negative, "" where there is none."""
    @staticmethod
    def getw(name: str, /) -> str:
        """Return the first such header's value, "<null>" where there is none."""
    @staticmethod
    def getw_idx(name: str, index: int, /) -> str:
        """Return the value of the header at `index`, from the end when that is negative, "<null>" where there is none."""
    @staticmethod
    def insert(text: str, /) -> int:
        """Put header lines before the others. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def insert_before(text: str, name: str, /) -> int:
        """Put header lines before the first header called `name`, before all where there is none. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def is_present(name: str, /) -> int:
        """Return 1 when the request has such a header, else -1."""
    @staticmethod
    def match_content(name: str, operator: str, pattern: str, mode: str, /) -> bool:
        """Return whether the first (f), the last (l), one (o) or all (a) such headers match, in any case. Here: operators eq, ne, sw, in; "re" takes Python's regular expressions, where Kamailio 5.6 matches none."""
    @staticmethod
    def remove(name: str, /) -> int:
        """Take the headers with a name out: 1, whether there are some or not. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def rmappend(name: str, text: str, /) -> int:
        """Take headers out and put other lines behind the rest. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def rminsert(name: str, text: str, /) -> int:
        """Take headers out and put other lines before the rest. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""

class _htable:
    @staticmethod
    def sht_cn(table: str, operator: str, pattern: str, /) -> int:
        """Return how many entries have a name that matches: eq, ne, sw or re. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_dec(table: str, name: str, /) -> int:
        """Take 1 from a number that is there and return it; -255 when there is none. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_get(table: str, name: str, /) -> Xval:
        """Return an entry's value, None when it is not there. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_gete(table: str, name: str, /) -> Xval:
        """Return an entry's value, "" when it is not there. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_getw(table: str, name: str, /) -> Xval:
        """Return an entry's value, "<null>" when it is not there. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_inc(table: str, name: str, /) -> int:
        """Add 1 to a number that is there and return it; -255 when there is none. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_is_null(table: str, name: str, /) -> int:
        """Return 1 when there is no such entry, -1 when there is, -2 when the table's initial value stands in for it. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_iterator_end(iterator: str, /) -> int:
        """Stop going through a table. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_iterator_next(iterator: str, /) -> int:
        """Go to the next entry; -1 behind the last one. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_iterator_rm(iterator: str, /) -> int:
        """Remove the entry that the iterator is at, and go to the next: 1; -2 where that was the last, -1 without one. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_iterator_setex(iterator: str, seconds: int, /) -> int:
        """Let the entry that the iterator is at live for some seconds from now; -1 where it is at none. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_iterator_seti(iterator: str, value: int, /) -> int:
        """Set the entry that the iterator is at to a number; -1 where it is at none. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_iterator_sets(iterator: str, value: str, /) -> int:
        """Set the entry that the iterator is at to text; -1 where it is at none. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_iterator_start(iterator: str, table: str, /) -> int:
        """Begin to go through a table: $shtitkey(iterator) and $shtitval(iterator) are where it is. Here: local to a worker; a table that no parameter defines is made when it is first used; the entries are those of the time it began."""
    @staticmethod
    def sht_lock(table: str, name: str, /) -> int:
        """Lock an entry. Here: nothing to lock: a worker runs one request at a time."""
    @staticmethod
    def sht_match_name(table: str, operator: str, pattern: str, /) -> int:
        """Return 1 when an entry's name matches: eq, ne, sw or re. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_match_str_value(table: str, operator: str, pattern: str, /) -> int:
        """Return 1 when an entry's value matches: eq, ne, sw or re. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_reset(table: str, /) -> int:
        """Remove all entries; return 0. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_rm(table: str, name: str, /) -> int:
        """Remove an entry. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_rm_name(table: str, operator: str, pattern: str, /) -> int:
        """Remove the entries whose name matches: re or sw. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_rm_name_re(table: str, pattern: str, /) -> int:
        """Remove the entries whose name matches a regular expression. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_rm_value(table: str, operator: str, pattern: str, /) -> int:
        """Remove the entries whose value matches: re or sw. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_rm_value_re(table: str, pattern: str, /) -> int:
        """Remove the entries whose value matches a regular expression. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_setex(table: str, name: str, seconds: int, /) -> int:
        """Let an entry live for some seconds from now. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_seti(table: str, name: str, value: int, /) -> int:
        """Set an entry to a number. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_sets(table: str, name: str, value: str, /) -> int:
        """Set an entry to text. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_setxi(table: str, name: str, value: int, seconds: int, /) -> int:
        """Set an entry to a number for some seconds; return 1, before Kamailio 6.0 0; -1 when it cannot be kept. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_setxs(table: str, name: str, value: str, seconds: int, /) -> int:
        """Set an entry to text for some seconds. Here: local to a worker; a table that no parameter defines is made when it is first used."""
    @staticmethod
    def sht_unlock(table: str, name: str, /) -> int:
        """Unlock an entry. Here: nothing to lock: a worker runs one request at a time."""

class _ipops:
    @staticmethod
    def compare_ips(first: str, second: str, /) -> int:
        """Return 1 when both are the same address, with or without brackets."""
    @staticmethod
    def compare_pure_ips(first: str, second: str, /) -> int:
        """Return 1 when both are the same address, without brackets."""
    @staticmethod
    def detailed_ip_type(text: str, target: str, /) -> int:
        """Set a pseudo-variable to what an address is for: PUBLIC, PRIVATE, LOOPBACK, GLOBAL-UNICAST..."""
    @staticmethod
    def detailed_ipv4_type(text: str, target: str, /) -> int:
        """Set a pseudo-variable to what an IPv4 address is for."""
    @staticmethod
    def detailed_ipv6_type(text: str, target: str, /) -> int:
        """Set a pseudo-variable to what an IPv6 address is for."""
    @staticmethod
    def ip_is_in_subnet(address: str, networks: str, /) -> int:
        """Return 1 when an address is in a network, or in one of several with commas between them."""
    @staticmethod
    def ip_type(text: str, /) -> int:
        """Return 1 for IPv4, 2 for IPv6, 3 for IPv6 with brackets, -1 for anything else."""
    @staticmethod
    def is_in_subnet(address: str, networks: str, /) -> int:
        """Return 1 when an address is in a network, or in one of several with commas between them."""
    @staticmethod
    def is_ip(text: str, /) -> int:
        """Return 1 for an IPv4 address, or an IPv6 one with or without brackets."""
    @staticmethod
    def is_ip4(text: str, /) -> int:
        """Return 1 for an IPv4 address."""
    @staticmethod
    def is_ip6(text: str, /) -> int:
        """Return 1 for an IPv6 address without brackets."""
    @staticmethod
    def is_ip6_reference(text: str, /) -> int:
        """Return 1 for an IPv6 address with its brackets."""
    @staticmethod
    def is_ip_rfc1918(text: str, /) -> int:
        """Return 1 for a private IPv4 address (RFC 1918)."""
    @staticmethod
    def is_pure_ip(text: str, /) -> int:
        """Return 1 for an address without brackets."""

class _kx:
    @staticmethod
    def get_au() -> Text:
        """Return the user name in the credentials, None where there is none."""
    @staticmethod
    def get_body() -> Text:
        """Return the body, None where there is none."""
    @staticmethod
    def get_bodylen() -> int:
        """Return the body's length in bytes."""
    @staticmethod
    def get_callid() -> Text:
        """Return the Call-ID, None where there is none."""
    @staticmethod
    def get_conid() -> int:
        """Return the number of the connection that the request came on. Here: always -1: the edge keeps its connections to itself."""
    @staticmethod
    def get_cturi() -> Text:
        """Return the URI of the first Contact, None where there is none."""
    @staticmethod
    def get_def(name: str, /) -> Text:
        """Return the value of a definition, "" where there is none. Here: there is no kamailio.cfg to define anything."""
    @staticmethod
    def get_defn(name: str, /) -> int:
        """Return a definition as a number, 0 where there is none. Here: there is no kamailio.cfg to define anything."""
    @staticmethod
    def get_duri() -> Text:
        """Return the destination URI, None where there is none."""
    @staticmethod
    def get_env(name: str, /) -> Text:
        """Return an environment variable, "" where there is none."""
    @staticmethod
    def get_envn(name: str, /) -> int:
        """Return an environment variable as a number, 0 where there is none."""
    @staticmethod
    def get_fhost() -> Text:
        """Return the host of From's URI, None where there is none."""
    @staticmethod
    def get_furi() -> Text:
        """Return From's URI, None where there is none."""
    @staticmethod
    def get_fuser() -> Text:
        """Return the user of From's URI, None where there is none."""
    @staticmethod
    def get_method() -> Text:
        """Return the method, None where there is none."""
    @staticmethod
    def get_msgbuf() -> Text:
        """Return the whole request, None where there is none. Here: written out again from what the edge has read: long header names, the top Via stamped."""
    @staticmethod
    def get_msglen() -> int:
        """Return the request's length in bytes. Here: written out again from what the edge has read: long header names, the top Via stamped."""
    @staticmethod
    def get_msgtype() -> int:
        """Return 1 for a request, 2 for a reply."""
    @staticmethod
    def get_nhuri() -> Text:
        """Return the next hop's URI, None where there is none."""
    @staticmethod
    def get_ouri() -> Text:
        """Return the Request-URI as it came, None where there is none."""
    @staticmethod
    def get_proto() -> Text:
        """Return the transport, in lower case, None where there is none."""
    @staticmethod
    def get_protoid() -> int:
        """Return the transport's number."""
    @staticmethod
    def get_rcv_sock_name() -> Text:
        """Return the socket's name, None where there is none. Here: sockets have no names: always None."""
    @staticmethod
    def get_rcvaddr_sock() -> Text:
        """Return the socket that the request came to, None where there is none."""
    @staticmethod
    def get_rcvadvip() -> Text:
        """Return the address that the request came to, None where there is none. Here: nothing else is advertised."""
    @staticmethod
    def get_rcvadvport() -> Xval:
        """Return the port that the request came to, None where there is none. Here: nothing else is advertised."""
    @staticmethod
    def get_rcvip() -> Text:
        """Return the address that the request came to, None where there is none."""
    @staticmethod
    def get_rcvport() -> Xval:
        """Return the port that the request came to, None where there is none."""
    @staticmethod
    def get_rhost() -> Text:
        """Return the host of the Request-URI, None where there is none."""
    @staticmethod
    def get_ruri() -> Text:
        """Return the Request-URI, None where there is none."""
    @staticmethod
    def get_ruser() -> Text:
        """Return the user of the Request-URI, None where there is none."""
    @staticmethod
    def get_send_sock() -> Text:
        """Return the socket that a script has chosen to send from: none can be chosen here."""
    @staticmethod
    def get_send_sock_name() -> Text:
        """Return the name of the socket that a script has chosen to send from: none can be chosen here."""
    @staticmethod
    def get_send_sock_port() -> int:
        """Return the port of the socket that a script has chosen to send from: 0, none can be chosen here."""
    @staticmethod
    def get_srcaddr_sock() -> Text:
        """Return the peer as proto:host:port, None where there is none."""
    @staticmethod
    def get_srcip() -> Text:
        """Return the peer's address, None where there is none."""
    @staticmethod
    def get_srcport() -> Xval:
        """Return the peer's port, None where there is none."""
    @staticmethod
    def get_srcuri() -> Text:
        """Return the peer as a URI, None where there is none."""
    @staticmethod
    def get_status() -> int:
        """Return the status of a reply, -1 for a request."""
    @staticmethod
    def get_thost() -> Text:
        """Return the host of To's URI, None where there is none."""
    @staticmethod
    def get_timestamp() -> int:
        """Return the unix time."""
    @staticmethod
    def get_turi() -> Text:
        """Return To's URI, None where there is none."""
    @staticmethod
    def get_tuser() -> Text:
        """Return the user of To's URI, None where there is none."""
    @staticmethod
    def get_ua() -> Text:
        """Return User-Agent, None where there is none."""
    @staticmethod
    def gete_au() -> str:
        """Return the user name in the credentials, "" where there is none."""
    @staticmethod
    def gete_body() -> str:
        """Return the body, "" where there is none."""
    @staticmethod
    def gete_cturi() -> str:
        """Return the URI of the first Contact, "" where there is none."""
    @staticmethod
    def gete_duri() -> str:
        """Return the destination URI, "" where there is none."""
    @staticmethod
    def gete_fhost() -> str:
        """Return the host of From's URI, "" where there is none."""
    @staticmethod
    def gete_fuser() -> str:
        """Return the user of From's URI, "" where there is none."""
    @staticmethod
    def gete_rhost() -> str:
        """Return the host of the Request-URI, "" where there is none."""
    @staticmethod
    def gete_ruser() -> str:
        """Return the user of the Request-URI, "" where there is none."""
    @staticmethod
    def gete_thost() -> str:
        """Return the host of To's URI, "" where there is none."""
    @staticmethod
    def gete_tuser() -> str:
        """Return the user of To's URI, "" where there is none."""
    @staticmethod
    def gete_ua() -> str:
        """Return User-Agent, "" where there is none."""
    @staticmethod
    def gets_status() -> Text:
        """Return the status of a reply as text, None for a request."""
    @staticmethod
    def getw_au() -> str:
        """Return the user name in the credentials, "<null>" where there is none."""
    @staticmethod
    def getw_body() -> str:
        """Return the body, "<null>" where there is none."""
    @staticmethod
    def getw_cturi() -> str:
        """Return the URI of the first Contact, "<null>" where there is none."""
    @staticmethod
    def getw_duri() -> str:
        """Return the destination URI, "<null>" where there is none."""
    @staticmethod
    def getw_fhost() -> str:
        """Return the host of From's URI, "<null>" where there is none."""
    @staticmethod
    def getw_fuser() -> str:
        """Return the user of From's URI, "<null>" where there is none."""
    @staticmethod
    def getw_rhost() -> str:
        """Return the host of the Request-URI, "<null>" where there is none."""
    @staticmethod
    def getw_ruser() -> str:
        """Return the user of the Request-URI, "<null>" where there is none."""
    @staticmethod
    def getw_thost() -> str:
        """Return the host of To's URI, "<null>" where there is none."""
    @staticmethod
    def getw_tuser() -> str:
        """Return the user of To's URI, "<null>" where there is none."""
    @staticmethod
    def getw_ua() -> str:
        """Return User-Agent, "<null>" where there is none."""
    @staticmethod
    def ifdef(name: str, /) -> bool:
        """Return whether something is defined. Here: there is no kamailio.cfg to define anything."""
    @staticmethod
    def ifndef(name: str, /) -> bool:
        """Return whether something is not defined. Here: there is no kamailio.cfg to define anything."""

class _maxfwd:
    @staticmethod
    def is_maxfwd_lt(limit: int, /) -> int:
        """Return 1 when Max-Forwards is below `limit`, -1 when not, -2 without the header, -3 when it is no number."""
    @staticmethod
    def process_maxfwd(limit: int, /) -> int:
        """Count Max-Forwards down: 1 when that was possible, 2 when there was none and it is `limit` now, -1 at zero."""

class _nathelper:
    @staticmethod
    def add_contact_alias() -> int:
        """Put where the request came from into Contact, if that names another place: 1; 2 where it names this one."""
    @staticmethod
    def add_contact_alias_addr(host: str, port: str, proto: str, /) -> int:
        """Put a place into Contact: 1; -1 for no transport."""
    @staticmethod
    def add_rcv_param(where: int, /) -> int:
        """Put where the request came from into each Contact, as received: a parameter of the header, with 1 of the URI."""
    @staticmethod
    def fix_nated_contact() -> int:
        """Put where the request came from in the place of Contact's host and port: 1, or -1 as set_contact_alias."""
    @staticmethod
    def fix_nated_register() -> int:
        """Note where a REGISTER came from, for the location service. Here: nothing is registered here: always 1."""
    @staticmethod
    def handle_ruri_alias() -> int:
        """Move ;alias=HOST~PORT~PROTOCOL of the Request-URI to the destination URI: 1; 2 without one, -1 when it is bad."""
    @staticmethod
    def is_rfc1918(address: str, /) -> int:
        """Return 1 for a private IPv4 address: RFC 1918, or RFC 6598."""
    @staticmethod
    def nat_uac_test(tests: int, /) -> int:
        """Return 1 when one of the tests says that the client is behind NAT, else -1. Here: bits 1 to 128; 256 (ports in SDP) tests nothing."""
    @staticmethod
    def set_alias_to_pv(target: str, /) -> int:
        """Set a pseudo-variable to the place that ;alias=HOST~PORT~PROTOCOL in Contact names, as a URI; -1 without one."""
    @staticmethod
    def set_contact_alias() -> int:
        """Put where the request came from into Contact: 1, or -1 where there is no SIP URI in it, or the second time."""
    @staticmethod
    def set_contact_alias_trim() -> int:
        """Put where the request came from into Contact, in the place of another alias."""

class _path:
    @staticmethod
    def add_path() -> int:
        """Put a Path into the REGISTER that goes on. Here: the edge's own, signed, which leads back to where the REGISTER came from; in REGISTER alone."""
    @staticmethod
    def add_path_received() -> int:
        """Put a Path in that says where the REGISTER came from. Here: as add_path: its token says that."""

class _permissions:
    @staticmethod
    def allow_address(group: int, address: str, port: int, /) -> int:
        """Return 1 when the list's group has an address, or a domain, else -1. Here: from the file that permissions.address_file names, without a database; read again with the script."""
    @staticmethod
    def allow_address_group(address: str, port: int, /) -> int:
        """Return the group that has an address, or a domain, -1 where none has it. Here: from the file that permissions.address_file names, without a database; read again with the script."""
    @staticmethod
    def allow_source_address(group: int, /) -> int:
        """Return 1 when the list's group has the address that the request came from, else -1. Here: from the file that permissions.address_file names, without a database; read again with the script."""
    @staticmethod
    def allow_source_address_group() -> int:
        """Return the group that has the address that the request came from, -1 where none has it. Here: from the file that permissions.address_file names, without a database; read again with the script."""
    @staticmethod
    def allow_trusted() -> int:
        """Return -1: nobody is trusted. Here: there is no database with trusted peers: always -1, as in Kamailio without one."""

class _pike:
    @staticmethod
    def pike_check_ip(address: str, /) -> int:
        """Return 1, or below 0 when an address sends too much, and when it is no address. Here: counted in each worker for itself, so divide pike.reqs_density_per_unit by their number; single addresses, no address tree; blocked for pike.remove_latency after the last excess."""
    @staticmethod
    def pike_check_req() -> int:
        """Return 1, or below 0 when the request's source sends too much: -2 the first time, then -1. Here: counted in each worker for itself, so divide pike.reqs_density_per_unit by their number; single addresses, no address tree; blocked for pike.remove_latency after the last excess."""

class _pv:
    @staticmethod
    def get(name: str, /) -> Xval:
        """Return a pseudo-variable's value, None for null."""
    @staticmethod
    def gete(name: str, /) -> Xval:
        """Return a pseudo-variable's value, "" for null."""
    @staticmethod
    def geti(name: str, /) -> int:
        """Return a pseudo-variable's value as a number, 0 for null and for what is none; a method has a number, too."""
    @staticmethod
    def getl(name: str, /) -> Xval:
        """Return a pseudo-variable's value as a long number."""
    @staticmethod
    def getvn(name: str, default: int, /) -> Xval:
        """Return a pseudo-variable's value, `default` for null."""
    @staticmethod
    def getvs(name: str, default: str, /) -> Xval:
        """Return a pseudo-variable's value, `default` for null."""
    @staticmethod
    def getw(name: str, /) -> Xval:
        """Return a pseudo-variable's value, "<null>" for null."""
    @staticmethod
    def is_null(name: str, /) -> bool:
        """Return whether a pseudo-variable is null."""
    @staticmethod
    def seti(name: str, value: int, /) -> bool:
        """Set a pseudo-variable to a number."""
    @staticmethod
    def setl(name: str, value: int, /) -> bool:
        """Set a pseudo-variable to a long number."""
    @staticmethod
    def sets(name: str, value: str, /) -> bool:
        """Set a pseudo-variable to text."""
    @staticmethod
    def unset(name: str, /) -> bool:
        """Set a pseudo-variable to null."""

class _pvtpl:
    @staticmethod
    def pvtpl_render(name: str, target: str, /) -> int:
        """Set a pseudo-variable to a template, the pseudo-variables in it replaced; -1 where there is no such template. Here: from the files that pvtpl.tpl names; bsize means nothing."""

class _pvx:
    @staticmethod
    def avp_get(name: str, /) -> Xval:
        """Return $avp(name), None when there is none."""
    @staticmethod
    def avp_gete(name: str, /) -> Xval:
        """Return $avp(name), "" when there is none."""
    @staticmethod
    def avp_getw(name: str, /) -> Xval:
        """Return $avp(name), "<null>" when there is none."""
    @staticmethod
    def avp_is_null(name: str, /) -> int:
        """Return 1 when there is no $avp(name). Here: -1 when there is one, where Kamailio 5.6 returns 1 either way."""
    @staticmethod
    def avp_rm(name: str, /) -> int:
        """Take the newest value of $avp(name) out."""
    @staticmethod
    def avp_seti(name: str, value: int, /) -> int:
        """Put a number before the values of $avp(name)."""
    @staticmethod
    def avp_sets(name: str, value: str, /) -> int:
        """Put text before the values of $avp(name)."""
    @staticmethod
    def evalx(target: str, text: str, /) -> int:
        """Set a pseudo-variable to a text, the pseudo-variables in it replaced."""
    @staticmethod
    def pv_var_to_xavp(variable: str, name: str, /) -> int:
        """Make $xavp(name) of a $var, of all of them for *; what was called so is gone."""
    @staticmethod
    def pv_xavi_print() -> int:
        """Log all of $xavi."""
    @staticmethod
    def pv_xavp_print() -> int:
        """Log all of $xavp."""
    @staticmethod
    def pv_xavp_to_var(name: str, /) -> int:
        """Give each $var the value of the field of $xavp(name) that is called so."""
    @staticmethod
    def pv_xavu_print() -> int:
        """Log all of $xavu."""
    @staticmethod
    def shv_get(name: str, /) -> Xval:
        """Return $shv(name), 0 when it was never set. Here: local to a worker."""
    @staticmethod
    def shv_seti(name: str, value: int, /) -> int:
        """Set $shv(name) to a number. Here: local to a worker."""
    @staticmethod
    def shv_sets(name: str, value: str, /) -> int:
        """Set $shv(name) to text. Here: local to a worker."""
    @staticmethod
    def shvinc_get(name: str, /) -> Xval:
        """Add 1 to $shv(name) and return it; 0 where it is text. Here: local to a worker."""
    @staticmethod
    def var_get(name: str, /) -> Xval:
        """Return $var(name), 0 when it was never set."""
    @staticmethod
    def var_seti(name: str, value: int, /) -> int:
        """Set $var(name) to a number."""
    @staticmethod
    def var_sets(name: str, value: str, /) -> int:
        """Set $var(name) to text."""
    @staticmethod
    def xavi_child_get(name: str, field: str, /) -> Xval:
        """Return $xavi(name=>field), None where there is none."""
    @staticmethod
    def xavi_child_gete(name: str, field: str, /) -> Xval:
        """Return $xavi(name=>field), "" where there is none."""
    @staticmethod
    def xavi_child_getw(name: str, field: str, /) -> Xval:
        """Return $xavi(name=>field), "<null>" where there is none."""
    @staticmethod
    def xavi_child_is_null(name: str, field: str, /) -> int:
        """Return 1 when there is no $xavi(name=>field), else -1."""
    @staticmethod
    def xavi_child_rm(name: str, field: str, /) -> int:
        """Take the first value of $xavi(name=>field) out."""
    @staticmethod
    def xavi_child_seti(name: str, field: str, value: int, /) -> int:
        """Give $xavi(name=>field) a number."""
    @staticmethod
    def xavi_child_sets(name: str, field: str, value: str, /) -> int:
        """Give $xavi(name=>field) text."""
    @staticmethod
    def xavi_get(name: str, /) -> Xval:
        """Return $xavi(name), None where there is none."""
    @staticmethod
    def xavi_gete(name: str, /) -> Xval:
        """Return $xavi(name), "" where there is none."""
    @staticmethod
    def xavi_getw(name: str, /) -> Xval:
        """Return $xavi(name), "<null>" where there is none."""
    @staticmethod
    def xavi_is_null(name: str, /) -> int:
        """Return 1 when there is no $xavi(name), else -1."""
    @staticmethod
    def xavi_rm(name: str, /) -> int:
        """Take the first value of $xavi(name) out."""
    @staticmethod
    def xavi_rm_all(name: str, /) -> int:
        """Take everything out that is called $xavi(name)."""
    @staticmethod
    def xavi_seti(name: str, value: int, /) -> int:
        """Put a number before the values of $xavi(name)."""
    @staticmethod
    def xavi_sets(name: str, value: str, /) -> int:
        """Put text before the values of $xavi(name)."""
    @staticmethod
    def xavp_child_get(name: str, field: str, /) -> Xval:
        """Return $xavp(name=>field), None where there is none."""
    @staticmethod
    def xavp_child_gete(name: str, field: str, /) -> Xval:
        """Return $xavp(name=>field), "" where there is none."""
    @staticmethod
    def xavp_child_getw(name: str, field: str, /) -> Xval:
        """Return $xavp(name=>field), "<null>" where there is none."""
    @staticmethod
    def xavp_child_is_null(name: str, field: str, /) -> int:
        """Return 1 when there is no $xavp(name=>field), else -1."""
    @staticmethod
    def xavp_child_rm(name: str, field: str, /) -> int:
        """Take the first value of $xavp(name=>field) out."""
    @staticmethod
    def xavp_child_seti(name: str, field: str, value: int, /) -> int:
        """Give $xavp(name=>field) a number."""
    @staticmethod
    def xavp_child_sets(name: str, field: str, value: str, /) -> int:
        """Give $xavp(name=>field) text."""
    @staticmethod
    def xavp_copy(source: str, index: int, target: str, /) -> int:
        """Put a copy of $xavp(source[index]) behind what is called `target`; -1 when it is not there."""
    @staticmethod
    def xavp_copy_dst(source: str, index: int, target: str, place: int, /) -> int:
        """Put a copy of $xavp(source[index]) behind what is called `target`; `place` changes nothing, as in Kamailio."""
    @staticmethod
    def xavp_get(name: str, /) -> Xval:
        """Return $xavp(name), None where there is none."""
    @staticmethod
    def xavp_gete(name: str, /) -> Xval:
        """Return $xavp(name), "" where there is none."""
    @staticmethod
    def xavp_getw(name: str, /) -> Xval:
        """Return $xavp(name), "<null>" where there is none."""
    @staticmethod
    def xavp_is_null(name: str, /) -> int:
        """Return 1 when there is no $xavp(name), else -1."""
    @staticmethod
    def xavp_params_explode(params: str, name: str, /) -> int:
        """Make $xavp(name) of parameters, `a=b;c=d`."""
    @staticmethod
    def xavp_params_implode(name: str, target: str, /) -> int:
        """Set a pseudo-variable to the fields of $xavp(name) as parameters."""
    @staticmethod
    def xavp_rm(name: str, /) -> int:
        """Take the first value of $xavp(name) out."""
    @staticmethod
    def xavp_rm_all(name: str, /) -> int:
        """Take everything out that is called $xavp(name)."""
    @staticmethod
    def xavp_seti(name: str, value: int, /) -> int:
        """Put a number before the values of $xavp(name)."""
    @staticmethod
    def xavp_sets(name: str, value: str, /) -> int:
        """Put text before the values of $xavp(name)."""
    @staticmethod
    def xavp_slist_explode(text: str, separators: str, mode: str, name: str, /) -> int:
        """Make $xavp(name=>v[0]) and so on of what stands between characters of `separators`; t in `mode` trims it."""
    @staticmethod
    def xavp_xparams_explode(params: str, separator: str, name: str, /) -> int:
        """Make $xavp(name) of parameters with another character than ";" between them."""
    @staticmethod
    def xavu_child_get(name: str, field: str, /) -> Xval:
        """Return $xavu(name=>field), None where there is none."""
    @staticmethod
    def xavu_child_gete(name: str, field: str, /) -> Xval:
        """Return $xavu(name=>field), "" where there is none."""
    @staticmethod
    def xavu_child_getw(name: str, field: str, /) -> Xval:
        """Return $xavu(name=>field), "<null>" where there is none."""
    @staticmethod
    def xavu_child_is_null(name: str, field: str, /) -> int:
        """Return 1 when there is no $xavu(name=>field), else -1."""
    @staticmethod
    def xavu_child_rm(name: str, field: str, /) -> int:
        """Take the first value of $xavu(name=>field) out."""
    @staticmethod
    def xavu_child_seti(name: str, field: str, value: int, /) -> int:
        """Give $xavu(name=>field) a number."""
    @staticmethod
    def xavu_child_sets(name: str, field: str, value: str, /) -> int:
        """Give $xavu(name=>field) text."""
    @staticmethod
    def xavu_get(name: str, /) -> Xval:
        """Return $xavu(name), None where there is none."""
    @staticmethod
    def xavu_gete(name: str, /) -> Xval:
        """Return $xavu(name), "" where there is none."""
    @staticmethod
    def xavu_getw(name: str, /) -> Xval:
        """Return $xavu(name), "<null>" where there is none."""
    @staticmethod
    def xavu_is_null(name: str, /) -> int:
        """Return 1 when there is no $xavu(name), else -1."""
    @staticmethod
    def xavu_params_explode(params: str, name: str, /) -> int:
        """Make $xavu(name) of parameters, `a=b;c=d`."""
    @staticmethod
    def xavu_params_implode(name: str, target: str, /) -> int:
        """Set a pseudo-variable to the fields of $xavu(name) as parameters."""
    @staticmethod
    def xavu_rm(name: str, /) -> int:
        """Take the first value of $xavu(name) out."""
    @staticmethod
    def xavu_seti(name: str, value: int, /) -> int:
        """Put a number before the values of $xavu(name)."""
    @staticmethod
    def xavu_sets(name: str, value: str, /) -> int:
        """Put text before the values of $xavu(name)."""

class _regex:
    @staticmethod
    def pcre_match(subject: str, expression: str, /) -> int:
        """Return 1 when the expression matches in a text, in any case. Here: a Python regular expression; Kamailio's are PCRE."""

class _rr:
    @staticmethod
    def add_rr_param(params: str, /) -> int:
        """Put parameters such as ;nat=yes into our Record-Route, before it is made or behind: 1; -1 for what are none. Here: the edge's own, signed: in requests that may set up a dialog, and not in ACK, CANCEL and REGISTER."""
    @staticmethod
    def check_route_param(expression: str, /) -> int:
        """Return 1 when a regular expression matches in the parameters of the Route of ours, in any case, else -1."""
    @staticmethod
    def is_direction(direction: str, /) -> int:
        """Return 1 for "downstream", as the request that set up the dialog, or "upstream"; else -1, and -6 for no word."""
    @staticmethod
    def loose_route() -> int:
        """Follow Route: 1; -1 where there is none, -3 where none is left and the request is outside a dialog. Here: the edge takes the Routes that name it off whether this is called or not; --kemi-param core.alias names others of ours."""
    @staticmethod
    def loose_route_mode(mode: int, /) -> int:
        """Follow Route as loose_route does, whatever the mode. Here: the edge takes the Routes that name it off whether this is called or not; --kemi-param core.alias names others of ours."""
    @staticmethod
    def loose_route_preloaded() -> int:
        """Follow Route: 1 outside a dialog where no Route but ours is there, else -1. Here: the edge takes the Routes that name it off whether this is called or not; --kemi-param core.alias names others of ours."""
    @staticmethod
    def next_hop_route() -> int:
        """Return -1. Here: always -1; loose_route sets the destination URI."""
    @staticmethod
    def record_route() -> int:
        """Have the later requests of the dialog come through us: 1, -1 the second time. Here: the edge's own, signed: in requests that may set up a dialog, and not in ACK, CANCEL and REGISTER."""
    @staticmethod
    def record_route_advertised_address(address: str, /) -> int:
        """Put a Record-Route with this address in. Here: as it is written, with no token: where the address leads, later requests go."""
    @staticmethod
    def record_route_params(params: str, /) -> int:
        """Have the later requests of the dialog come through us, with these parameters in Record-Route. Here: the edge's own, signed: in requests that may set up a dialog, and not in ACK, CANCEL and REGISTER."""
    @staticmethod
    def record_route_preset(address: str, second: str, /) -> int:
        """Put a Record-Route with this address in, and another one: 1, -1 where there is one of ours already. Here: as it is written, with no token: where the address leads, later requests go."""
    @staticmethod
    def record_route_preset_one(address: str, /) -> int:
        """Put a Record-Route with this address in. Here: as it is written, with no token: where the address leads, later requests go."""
    @staticmethod
    def remove_record_route() -> int:
        """Take our Record-Route off again. Here: what it would take off is not put in."""

class _sanity:
    @staticmethod
    def sanity_check(checks: int, uris: int, /) -> int:
        """Judge the request by the checks and URIs whose bits are set: 1, or -1 when one failed, which has then replied. Here: version, required headers, CSeq, Content-Length, Via and duplicate tags were judged by the edge, which answers in its own words; bits 32768 and 65536 (sizes) check nothing, as in Kamailio 5.6."""
    @staticmethod
    def sanity_check_defaults() -> int:
        """Judge the request by the usual checks. Here: the module's default checks (999 and 7); its parameters are not read."""
    @staticmethod
    def sanity_reply() -> int:
        """Send the reply of the check that failed. Here: a check that failed has replied already: 1, and nothing is sent twice."""

class _sdpops:
    @staticmethod
    def keep_codecs_by_id(listed: str, media: str, /) -> int:
        """Take something out of the SDP: 0, -1 without SDP. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def keep_codecs_by_name(listed: str, media: str, /) -> int:
        """Take something out of the SDP: 0, -1 without SDP. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def remove_codecs_by_id(listed: str, media: str, /) -> int:
        """Take something out of the SDP: 0, -1 without SDP. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def remove_codecs_by_name(listed: str, media: str, /) -> int:
        """Take something out of the SDP: 0, -1 without SDP. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def remove_line_by_prefix(prefix: str, media: str, /) -> int:
        """Take the lines out that begin so, of all streams or those of a kind: how many there are, -1 without SDP. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def remove_media(media: str, /) -> int:
        """Take the streams of a kind out: 1, 0 without one, -1 for a body that is no SDP. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def sdp_content() -> int:
        """Return 1 when the request has SDP, alone or as a part of its body."""
    @staticmethod
    def sdp_content_flags(flags: int, /) -> int:
        """Return 1 when the request has SDP; with a flag, the header or the body's text has to name it, no more."""
    @staticmethod
    def sdp_get(target: str, /) -> int:
        """Set an $avp to the SDP: 1, -2 without a body, -1 for another one."""
    @staticmethod
    def sdp_get_address_family() -> int:
        """Return 4 or 6, by the first c= line; -1 without one."""
    @staticmethod
    def sdp_get_line_startswith(target: str, prefix: str, /) -> int:
        """Set an $avp to the first line that begins so: 1, -1 without one, -2 without a body."""
    @staticmethod
    def sdp_iterator_append(name: str, line: str, /) -> int:
        """Put text behind the line. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def sdp_iterator_end(name: str, /) -> int:
        """Stop going through the lines."""
    @staticmethod
    def sdp_iterator_insert(name: str, line: str, /) -> int:
        """Put text before the line. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def sdp_iterator_next(name: str, /) -> int:
        """Go to the next line; -1 behind the last one."""
    @staticmethod
    def sdp_iterator_rm(name: str, /) -> int:
        """Take the line out. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def sdp_iterator_start(name: str, /) -> int:
        """Begin to go through the lines of the SDP."""
    @staticmethod
    def sdp_iterator_value(name: str, /) -> Xval:
        """Return the line that the iterator is at, with its end; None when it is at none."""
    @staticmethod
    def sdp_transport(target: str, /) -> int:
        """Set an $avp to the transport that all streams have: 1, also without a body; -2 for none in common, -1 no SDP."""
    @staticmethod
    def sdp_with_active_media(media: str, /) -> int:
        """Return 1 when there is such a stream that has a port and is not inactive; 0 without one, -1 for no SDP."""
    @staticmethod
    def sdp_with_codecs_by_id(numbers: str, /) -> int:
        """Return 1 when all streams have all these payload types, 2 when some have some, 0 for none, -1 without SDP."""
    @staticmethod
    def sdp_with_codecs_by_name(names: str, /) -> int:
        """Return 1 when all streams have all these codecs, 2 when some have some, -1 for none, or no SDP."""
    @staticmethod
    def sdp_with_ice() -> int:
        """Return 1 when the SDP has ICE candidates."""
    @staticmethod
    def sdp_with_media(media: str, /) -> int:
        """Return 1 when there is a stream of this kind, audio or video; 0 without one, -1 for a body that is no SDP."""
    @staticmethod
    def sdp_with_transport(transport: str, /) -> int:
        """Return 1 when a stream has this transport, such as RTP/SAVP."""
    @staticmethod
    def sdp_with_transport_like(part: str, /) -> int:
        """Return 1 when a stream has a transport with this text in it."""

class _siputils:
    @staticmethod
    def add_uri_param(param: str, /) -> int:
        """Put a parameter into the Request-URI."""
    @staticmethod
    def cmp_aor(first: str, second: str, /) -> int:
        """Return 1 for the same address of record: user, host and port; -1 for another, -2 for what is no URI."""
    @staticmethod
    def cmp_hdr_name(first: str, second: str, /) -> int:
        """Return 1 when both name the same header, long or compact."""
    @staticmethod
    def cmp_uri(first: str, second: str, /) -> int:
        """Return 1 for URIs that are equal (RFC 3261 19.1.4), -1 for others, -2 for what is no URI."""
    @staticmethod
    def contact_param_check(name: str, /) -> int:
        """Return 1 when the URI in Contact has this parameter, else -1."""
    @staticmethod
    def contact_param_encode_alias(name: str, saddr: str, /) -> int:
        """Put an alias into Contact: 1, -1 where there is no URI in it. Here: Contact goes on as it came: answered as if it had been changed."""
    @staticmethod
    def contact_param_rm(name: str, /) -> int:
        """Take a parameter out of the URI of each Contact: 1, whether it is there or not."""
    @staticmethod
    def has_totag() -> int:
        """Return 1 when To has a tag: the request is inside a dialog."""
    @staticmethod
    def hdr_date_check(seconds: int, /) -> int:
        """Return 1 when the Date header is no older than so many seconds, -4 when it is, -1 without one."""
    @staticmethod
    def is_alphanum(text: str, /) -> int:
        """Return 1 for letters and digits alone, -2 for "", -3 for anything else."""
    @staticmethod
    def is_alphanumex(text: str, more: str, /) -> int:
        """Return 1 for letters, digits and the characters in `more` alone, -2 for "", -3 for anything else."""
    @staticmethod
    def is_first_hop() -> int:
        """Return 1 when the request has one Via: it comes from the client itself."""
    @staticmethod
    def is_first_hop_mode(mode: int, /) -> int:
        """Return 1 when the request has one Via. Here: the mode changes nothing."""
    @staticmethod
    def is_gruu() -> int:
        """Return 1 for a public, 2 for a temporary GRUU in the Request-URI, else -1 (RFC 5627)."""
    @staticmethod
    def is_http() -> int:
        """Return -1: what handlers get is SIP, and no HTTP."""
    @staticmethod
    def is_numeric(text: str, /) -> int:
        """Return 1 for digits alone, else -2."""
    @staticmethod
    def is_reply() -> int:
        """Return 1 in the route of a reply, -1 for a request."""
    @staticmethod
    def is_request() -> int:
        """Return 1 for a request, -1 in the route of a reply."""
    @staticmethod
    def is_sip() -> int:
        """Return 1: what handlers get is SIP, and no HTTP."""
    @staticmethod
    def is_tel_number(text: str, /) -> int:
        """Return 1 for digits, with or without a leading +, else -2."""
    @staticmethod
    def is_uri(uri: str, /) -> int:
        """Return 1 for a sip, sips or tel URI; before Kamailio 5.8, for a urn, too."""
    @staticmethod
    def is_user(user: str, /) -> int:
        """Return 1 when the credentials that were judged, by pv_auth_check and its like, are those of `user`."""
    @staticmethod
    def options_reply() -> int:
        """Reply 200 to OPTIONS that is for this server itself (a Request-URI without user) with what it accepts."""
    @staticmethod
    def sip_parse_headers() -> int:
        """Return 1: all headers have been read."""
    @staticmethod
    def uri_param(name: str, /) -> int:
        """Return 1 when the Request-URI has this parameter, without a value."""
    @staticmethod
    def uri_param_any(name: str, /) -> int:
        """Return 1 when the Request-URI has this parameter, with a value or without."""
    @staticmethod
    def uri_param_rm(name: str, /) -> int:
        """Take a parameter out of the Request-URI."""
    @staticmethod
    def uri_param_value(name: str, value: str, /) -> int:
        """Return 1 when the Request-URI has this parameter with this value."""

class _sl:
    @staticmethod
    def send_reply(code: int, reason: str, /) -> int:
        """Reply, by the transaction where there is one. Here: there are no transactions: always stateless."""
    @staticmethod
    def send_reply_error() -> int:
        """Reply with what describes the last internal error. Here: there are no transactions: always stateless."""
    @staticmethod
    def send_reply_mode(code: int, reason: str, mode: int, /) -> int:
        """Reply; mode 1 asks for no connection to be opened for it, mode 2 for it to be closed, which it is not. Here: there are no transactions: always stateless; no connection is opened to reply, and mode 2 closes none, as in Kamailio."""
    @staticmethod
    def sl_forward_reply(code: str, reason: str, /) -> int:
        """Send the reply back with another status of its class, "" for its own, and another reason: 1, else -1. Here: one reply goes back, with all changes; Kamailio sends another one unless the route drops it."""
    @staticmethod
    def sl_reply_error() -> int:
        """Reply with what describes the last internal error: `500 I'm terribly sorry, server error occurred (1/SL)`."""
    @staticmethod
    def sl_send_reply(code: int, reason: str, /) -> int:
        """Reply statelessly."""

class _statistics:
    @staticmethod
    def reset_stat(name: str, /) -> int:
        """Set a statistic to 0. Here: local to a worker, which logs them when it stops; names need no declaration."""
    @staticmethod
    def update_stat(name: str, number: int, /) -> int:
        """Add to a statistic. Here: local to a worker, which logs them when it stops; names need no declaration."""

class _textops:
    @staticmethod
    def cmp_istr(first: str, second: str, /) -> int:
        """Compare as cmp_str does, in any case."""
    @staticmethod
    def cmp_str(first: str, second: str, /) -> int:
        """Return 1 for equal texts, -1 when the first is greater, -2 when it is less."""
    @staticmethod
    def ends_with(subject: str, suffix: str, /) -> int:
        """Return 1 when a text ends with another one, else -1 when it is shorter or sorts behind it, or -2."""
    @staticmethod
    def has_body() -> int:
        """Return 1 when the request has a body."""
    @staticmethod
    def has_body_type(content_type: str, /) -> int:
        """Return 1 when the request has a body of this type, of any for ""."""
    @staticmethod
    def in_list(item: str, listed: str, separator: str, /) -> int:
        """Return 1 when `item` is one of a list's, and is not empty."""
    @staticmethod
    def in_list_prefix(item: str, listed: str, separator: str, /) -> int:
        """Return 1 when `item` begins with one of a list's."""
    @staticmethod
    def is_audio_on_hold() -> int:
        """Return 2 when the SDP body puts audio on hold by sendonly or inactive, 1 by the address 0.0.0.0, else -1."""
    @staticmethod
    def is_present_hf(name: str, /) -> int:
        """Return 1 when the request has such a header."""
    @staticmethod
    def is_present_hf_re(expression: str, /) -> int:
        """Return 1 when the request has a header whose name matches. Here: a Python regular expression; Kamailio's are POSIX extended; headers have their long names."""
    @staticmethod
    def is_privacy(kind: str, /) -> int:
        """Return 1 when Privacy asks for this kind (RFC 3323)."""
    @staticmethod
    def regex_substring(subject: str, expression: str, index: int, most: int, target: str, /) -> int:
        """Set a pseudo-variable to a group of the first match, 0 for all of it: 1, -2 where nothing matches. Here: a Python regular expression; Kamailio's are POSIX extended."""
    @staticmethod
    def remove_hf(name: str, /) -> int:
        """Take the headers with a name out: 1, whether there are some or not. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def remove_hf_exp(matching: str, but: str, /) -> int:
        """Take the headers out whose name matches one expression and not the other: 1, -1 where none does. Here: a Python regular expression; Kamailio's are POSIX extended; headers have their long names; -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def remove_hf_idx(name: str, index: int, /) -> int:
        """Take the header at `index` of those with a name out, from the end when that is negative: 1; 2 without one. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def remove_hf_match(name: str, operator: str, value: str, /) -> int:
        """Take those headers with a name out whose value fits: 1; -1 where none does, -2 without such a header. Here: operators eq, ne, sw, in, re; a Python regular expression; Kamailio's are POSIX extended; -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def remove_hf_re(expression: str, /) -> int:
        """Take the headers out whose name matches, in any case: 1, -1 where none does. Here: a Python regular expression; Kamailio's are POSIX extended; headers have their long names; -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def replace(expression: str, by: str, /) -> int:
        """Return 1 when the expression matches, so that something would be changed, else -1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def replace_all(expression: str, by: str, /) -> int:
        """Return 1 when the expression matches, so that something would be changed, else -1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def replace_body(expression: str, by: str, /) -> int:
        """Return 1 when the expression matches, so that something would be changed, else -1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def replace_body_all(expression: str, by: str, /) -> int:
        """Return 1 when the expression matches, so that something would be changed, else -1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def replace_body_atonce(expression: str, by: str, /) -> int:
        """Return 1 when the expression matches, so that something would be changed, else -1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def replace_body_str(old: str, by: str, mode: str, /) -> int:
        """Return 1, -1 without a body. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def replace_hdrs(expression: str, by: str, /) -> int:
        """Return 1 when the expression matches, so that something would be changed, else -1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def replace_hdrs_str(old: str, by: str, mode: str, /) -> int:
        """Return 1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def replace_str(old: str, by: str, mode: str, /) -> int:
        """Return 1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def search(expression: str, /) -> int:
        """Return 1 when the expression matches in the request, in any case; ^ and $ are those of lines. Here: a Python regular expression; Kamailio's are POSIX extended; headers have their long names there, and the top Via is stamped."""
    @staticmethod
    def search_append(expression: str, by: str, /) -> int:
        """Return 1 when the expression matches, so that something would be changed, else -1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def search_append_body(expression: str, by: str, /) -> int:
        """Return 1 when the expression matches, so that something would be changed, else -1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def search_body(expression: str, /) -> int:
        """Return 1 when the expression matches in the body, in any case. Here: a Python regular expression; Kamailio's are POSIX extended."""
    @staticmethod
    def search_hf(name: str, expression: str, which: str, /) -> int:
        """Return 1 when the expression matches in a header: f the first, l the last, a any of them. Here: a Python regular expression; Kamailio's are POSIX extended."""
    @staticmethod
    def search_str(subject: str, expression: str, /) -> int:
        """Return 1 when the expression matches in a text, in any case; -2 when that is empty or the expression broken. Here: a Python regular expression; Kamailio's are POSIX extended."""
    @staticmethod
    def set_body(body: str, content_type: str, /) -> int:
        """Give the request a body: 1, -1 for an empty one or no type. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def set_reply_body(body: str, content_type: str, /) -> int:
        """Put a body into every reply to this request that is made from now on. Here: a second body for one reply is refused whole (-1); Kamailio still adds its Content-Type."""
    @staticmethod
    def set_reply_body_hex(body: str, content_type: str, /) -> int:
        """Put a body, given in hexadecimal digits, into every reply to this request that is made from now on. Here: only spaces may be between the digits; a second body for one reply is refused whole (-1)."""
    @staticmethod
    def starts_with(subject: str, prefix: str, /) -> int:
        """Return 1 when a text begins with another one, else -1 when it is shorter or sorts behind it, or -2."""
    @staticmethod
    def str_all_in(subject: str, characters: str, /) -> int:
        """Return 1 when a text has none but these characters, else -1."""
    @staticmethod
    def str_any_in(subject: str, characters: str, /) -> int:
        """Return 1 when a text has one of these characters, else -1."""
    @staticmethod
    def str_find(subject: str, part: str, /) -> int:
        """Return where a text has another one, 1 for its beginning, -1 when it has not; an empty one is behind its end."""
    @staticmethod
    def str_ifind(subject: str, part: str, /) -> int:
        """Return where a text has another one, in any case."""
    @staticmethod
    def subst(expression: str, /) -> int:
        """Return 1 when /expression/replacement/flags would change something, else -1. Here: a Python regular expression; Kamailio's are POSIX extended; the text goes on as it came: answered as if it had been changed."""
    @staticmethod
    def subst_body(expression: str, /) -> int:
        """Return 1 when /expression/replacement/flags would change the body, else -1. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def subst_hf(name: str, expression: str, which: str, /) -> int:
        """Change a header by /expression/replacement/flags: f the first, l the last, a any of them: 1, -1 if none is. Here: a Python regular expression; Kamailio's are POSIX extended; -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def subst_uri(expression: str, /) -> int:
        """Change the Request-URI by /expression/replacement/flags; -1 when nothing matches. Here: a Python regular expression; Kamailio's are POSIX extended."""
    @staticmethod
    def subst_user(expression: str, /) -> int:
        """Change the user of the Request-URI by /expression/replacement/flags; -1 when nothing matches. Here: a Python regular expression; Kamailio's are POSIX extended."""
    @staticmethod
    def subst_v(subject: str, expression: str, target: str, /) -> int:
        """Set a pseudo-variable to a text changed by /expression/replacement/flags; -1 when nothing matches. Here: a Python regular expression; Kamailio's are POSIX extended."""

class _textopsx:
    @staticmethod
    def append_hf_value(name: str, value: str, /) -> int:
        """Put a value behind those of a header. Here: the header goes on as it came: answered as if it had been changed."""
    @staticmethod
    def bl_iterator_append(name: str, line: str, /) -> int:
        """Put text behind the line. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def bl_iterator_end(name: str, /) -> int:
        """Stop going through the lines."""
    @staticmethod
    def bl_iterator_insert(name: str, line: str, /) -> int:
        """Put text before the line. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def bl_iterator_next(name: str, /) -> int:
        """Go to the next line; -1 behind the last one."""
    @staticmethod
    def bl_iterator_rm(name: str, /) -> int:
        """Take the line out. Here: the body goes on as it came: answered as if it had been changed."""
    @staticmethod
    def bl_iterator_start(name: str, /) -> int:
        """Begin to go through the lines of the body."""
    @staticmethod
    def bl_iterator_value(name: str, /) -> Text:
        """Return the line that the iterator is at, with its end; None when it is at none."""
    @staticmethod
    def change_reply_status(code: int, reason: str, /) -> int:
        """Give the reply that goes back another status and reason. Here: within the class of the reply: any other is -1."""
    @staticmethod
    def change_reply_status_code(code: int, /) -> int:
        """Give the reply that goes back another status. Here: within the class of the reply: any other is -1."""
    @staticmethod
    def exclude_hf_value(name: str, value: str, /) -> int:
        """Take a value out of a header. Here: the header goes on as it came: answered as if it had been changed."""
    @staticmethod
    def fnmatch(subject: str, pattern: str, /) -> int:
        """Return 0 when a shell pattern matches, else -1."""
    @staticmethod
    def fnmatch_ex(subject: str, pattern: str, flags: str, /) -> int:
        """Return 0 when a shell pattern matches, else -1. Here: with the flag i in any case, where Kamailio 5.6 matches nothing; other flags change nothing."""
    @staticmethod
    def hf_iterator_append(name: str, text: str, /) -> int:
        """Put header lines behind the header that the iterator is at. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def hf_iterator_end(name: str, /) -> int:
        """Stop going through the headers."""
    @staticmethod
    def hf_iterator_hbody(name: str, /) -> Text:
        """Return the value of the header that the iterator is at, None when it is at none."""
    @staticmethod
    def hf_iterator_hname(name: str, /) -> Text:
        """Return the name of the header that the iterator is at, None when it is at none. Here: the long name."""
    @staticmethod
    def hf_iterator_insert(name: str, text: str, /) -> int:
        """Put header lines before the header that the iterator is at. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def hf_iterator_next(name: str, /) -> int:
        """Go to the next header; -1 behind the last one."""
    @staticmethod
    def hf_iterator_prev(name: str, /) -> int:
        """Go to the header before; -1 before the first one."""
    @staticmethod
    def hf_iterator_rm(name: str, /) -> int:
        """Take the header out that the iterator is at. Here: -1 for what a proxy leaves alone: Via, From, To, Call-ID, CSeq, Max-Forwards, Content-*."""
    @staticmethod
    def hf_iterator_start(name: str, /) -> int:
        """Begin to go through the headers."""
    @staticmethod
    def hf_value_exists(name: str, value: str, /) -> int:
        """Return 1 when a header that lists values with commas has this one, in any case."""
    @staticmethod
    def include_hf_value(name: str, value: str, /) -> int:
        """Put a value into a header unless it is there. Here: the header goes on as it came: answered as if it had been changed."""
    @staticmethod
    def insert_hf_value(name: str, value: str, /) -> int:
        """Put a value before those of a header. Here: the header goes on as it came: answered as if it had been changed."""
    @staticmethod
    def msg_apply_changes() -> int:
        """Let the script see what it has changed of the headers; the Request-URI counts as that which came."""
    @staticmethod
    def remove_body() -> int:
        """Take the body out. Here: the body goes on as it came: answered as if it had been changed."""

class _tm:
    @staticmethod
    def t_any_replied() -> int:
        """Return -1: no branch has replied. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_any_timeout() -> int:
        """Return -1: no branch has timed out. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_branch_replied() -> int:
        """Return -1: no branch has replied. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_branch_timeout() -> int:
        """Return -1: no branch has timed out. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_check_status(expression: str, /) -> int:
        """Return -1: no branch has replied. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_check_trans() -> int:
        """Return -1: the request belongs to no transaction that is known; 0 behind t_newtran. Here: there are no transactions: as Kamailio answers where it holds none; with --kemi-relay stateless 1 for ACK and CANCEL, which go as their INVITE went."""
    @staticmethod
    def t_exists() -> int:
        """Return 1 behind t_newtran, else -1. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_get_branch_index() -> int:
        """Return 0. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_get_status_code() -> int:
        """Return -1: no branch has replied. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_grep_status(code: int, /) -> int:
        """Return -1: no branch has replied. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_is_canceled() -> int:
        """Return -1: nothing is cancelled. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_is_expired() -> int:
        """Return -1: nothing expires. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_is_retr_async_reply() -> int:
        """Return -1: no reply is repeated. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_is_set(target: str, /) -> int:
        """Return 1 where a branch_route, failure_route, onreply_route or branch_failure_route is set, else -1. Here: there are no transactions: as Kamailio answers where it holds none; routes are noted with --kemi-relay stateless alone."""
    @staticmethod
    def t_lookup_cancel() -> int:
        """Return -1: there is no INVITE that a CANCEL could end. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_lookup_request() -> int:
        """Return -1: the request repeats none. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_newtran() -> int:
        """Return 1, or -10 the second time; -400 in the route of a reply. Here: there are no transactions: always stateless; a repeated request comes to the script again."""
    @staticmethod
    def t_on_branch(route: str, /) -> int:
        """Set the branch_route: 1. Here: with --kemi-relay stateless: it runs when t_relay is called."""
    @staticmethod
    def t_on_branch_failure(route: str, /) -> int:
        """Set the branch_failure_route: 1. Here: with --kemi-relay stateless: noted for t_is_set, and never run."""
    @staticmethod
    def t_on_failure(route: str, /) -> int:
        """Set the failure_route: 1. Here: with --kemi-relay stateless: noted for t_is_set, and never run."""
    @staticmethod
    def t_on_reply(route: str, /) -> int:
        """Set the onreply_route: 1. Here: with --kemi-relay stateless: noted for t_is_set, and never run."""
    @staticmethod
    def t_relay() -> int:
        """Let the request go on, to the destination URI or else to the Request-URI: 1; -478 for no SIP URI. Here: with --kemi-relay stateless: as KSR.forward(), without a transaction: what is lost is lost."""
    @staticmethod
    def t_relay_to_flags(flags: int, /) -> int:
        """Let the request go on. Here: with --kemi-relay stateless: as KSR.forward(), without a transaction: what is lost is lost."""
    @staticmethod
    def t_relay_to_proto(proto: str, /) -> int:
        """Let the request go on, over another transport. Here: with --kemi-relay stateless: as KSR.forward(), without a transaction: what is lost is lost."""
    @staticmethod
    def t_relay_to_proto_addr(proto: str, host: str, port: int, /) -> int:
        """Let the request go on to a host and port. Here: with --kemi-relay stateless: as KSR.forward(), without a transaction: what is lost is lost."""
    @staticmethod
    def t_relay_to_proxy(proxy: str, /) -> int:
        """Let the request go on to proto:host:port. Here: with --kemi-relay stateless: as KSR.forward(), without a transaction: what is lost is lost."""
    @staticmethod
    def t_relay_to_proxy_flags(proxy: str, flags: int, /) -> int:
        """Let the request go on to proto:host:port. Here: with --kemi-relay stateless: as KSR.forward(), without a transaction: what is lost is lost."""
    @staticmethod
    def t_release() -> int:
        """Return 1. Here: there are no transactions: always stateless; a repeated request comes to the script again."""
    @staticmethod
    def t_reply(code: int, reason: str, /) -> int:
        """Reply behind t_newtran: 1; -1 where that was not called, and for a second final reply. Here: there are no transactions: always stateless; a repeated request comes to the script again."""
    @staticmethod
    def t_reply_error() -> int:
        """Reply with what describes the last internal error; -1 where t_newtran was not called. Here: there are no transactions: always stateless; a repeated request comes to the script again."""
    @staticmethod
    def t_reset_fr() -> int:
        """Set timers back. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_reset_max_lifetime() -> int:
        """Set back how long transactions live. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_reset_retr() -> int:
        """Set back when requests are repeated. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_retransmit_reply() -> int:
        """Return -1: no reply is kept. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_send_reply(code: int, reason: str, /) -> int:
        """Reply: 1; -1 for a second final reply behind t_newtran. Here: there are no transactions: always stateless; a repeated request comes to the script again."""
    @staticmethod
    def t_set_auto_inv_100(state: int, /) -> int:
        """Say whether 100 is sent: it is not. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_set_disable_6xx(state: int, /) -> int:
        """Say what a 6xx means. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_set_disable_failover(state: int, /) -> int:
        """Say whether another address is tried. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_set_disable_internal_reply(state: int, /) -> int:
        """Say whether failures are answered. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_set_fr(invite: int, other: int, /) -> int:
        """Set timers. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_set_fr_inv(invite: int, /) -> int:
        """Set a timer. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_set_max_lifetime(invite: int, other: int, /) -> int:
        """Set how long transactions live. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_set_no_e2e_cancel_reason(state: int, /) -> int:
        """Say whether Reason is passed on. Here: with --kemi-relay stateless: 1, and nothing comes of it."""
    @staticmethod
    def t_set_retr(first: int, second: int, /) -> int:
        """Set when requests are repeated. Here: with --kemi-relay stateless: 1, and nothing comes of it."""

class _tmx:
    @staticmethod
    def t_is_branch_route() -> int:
        """Return 1 in a branch route, else -1. Here: there are no transactions: as Kamailio answers where it holds none; 1 in what t_on_branch has set, with --kemi-relay stateless."""
    @staticmethod
    def t_is_failure_route() -> int:
        """Return -1: this is no failure route. Here: there are no transactions: as Kamailio answers where it holds none."""
    @staticmethod
    def t_is_reply_route() -> int:
        """Return 1 in the route of a reply, -1 in that of a request."""
    @staticmethod
    def t_is_request_route() -> int:
        """Return 1 in the route of a request, -1 in that of a reply."""
    @staticmethod
    def t_precheck_trans() -> int:
        """Return -1: no other worker has the request. Here: there are no transactions: as Kamailio answers where it holds none."""

class _uuid:
    @staticmethod
    def get() -> Text:
        """Return a random UUID."""
    @staticmethod
    def rget() -> Text:
        """Return a random UUID."""
    @staticmethod
    def tget() -> Text:
        """Return a UUID made from the time."""

class _x:
    @staticmethod
    def modf(name: str, /, *arguments: str) -> int:
        """Call a function of kamailio.cfg by its name. Here: the functions that work here, with their arguments as texts; any other: -1."""

class _xlog:
    @staticmethod
    def xalert(message: str, /) -> int:
        """Log a line at level critical, pseudo-variables replaced."""
    @staticmethod
    def xcrit(message: str, /) -> int:
        """Log a line at level critical, pseudo-variables replaced."""
    @staticmethod
    def xdbg(message: str, /) -> int:
        """Log a line at level debug, pseudo-variables replaced."""
    @staticmethod
    def xerr(message: str, /) -> int:
        """Log a line at level error, pseudo-variables replaced."""
    @staticmethod
    def xinfo(message: str, /) -> int:
        """Log a line at level info, pseudo-variables replaced."""
    @staticmethod
    def xlog(level: str, message: str, /) -> int:
        """Log a line at a level by name, pseudo-variables replaced."""
    @staticmethod
    def xlog_facility(facility: str, level: str, message: str, /) -> int:
        """Log a line at a level by name, pseudo-variables replaced. Here: the facility changes nothing."""
    @staticmethod
    def xnotice(message: str, /) -> int:
        """Log a line at level info, pseudo-variables replaced."""
    @staticmethod
    def xwarn(message: str, /) -> int:
        """Log a line at level warning, pseudo-variables replaced."""

auth: _auth
cfgutils: _cfgutils
corex: _corex
counters: _counters
hdr: _hdr
htable: _htable
ipops: _ipops
kx: _kx
maxfwd: _maxfwd
nathelper: _nathelper
path: _path
permissions: _permissions
pike: _pike
pv: _pv
pvtpl: _pvtpl
pvx: _pvx
regex: _regex
rr: _rr
sanity: _sanity
sdpops: _sdpops
siputils: _siputils
sl: _sl
statistics: _statistics
textops: _textops
textopsx: _textopsx
tm: _tm
tmx: _tmx
uuid: _uuid
x: _x
xlog: _xlog
