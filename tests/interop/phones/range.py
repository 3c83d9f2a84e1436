"""All phones, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.interop.phones.baresip import Baresip
from tests.interop.phones.browser import JSSIP, SIP_JS
from tests.interop.phones.console import Linphone, Twinkle
from tests.interop.phones.library import BARESIP_PYTHON, PJSUA2
from tests.interop.phones.sofia import Sofia

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.interop.phones.phone import Phone

PHONES: Final[Sequence[Phone]] = (Baresip(), BARESIP_PYTHON, PJSUA2, Linphone(), Sofia(), Twinkle(), JSSIP, SIP_JS)
