"""The `slbroker` command: its commands put together, and how their errors are said."""

from __future__ import annotations

import errno
import io
import os
import sys

from slbroker.signals import hold_hangups

if not {"run", "edge", "handler", "broker", "monitor", "record"}.isdisjoint(sys.argv[1:]):
    hold_hangups()  # before all that takes time: who is told to reload while it starts must not end

import click

from slbroker.commands.alive import alive
from slbroker.commands.author import explain, new, replay
from slbroker.commands.broker import broker
from slbroker.commands.example import config
from slbroker.commands.forget import forget
from slbroker.commands.keys import keys
from slbroker.commands.look import check, ping
from slbroker.commands.monitor import monitor
from slbroker.commands.options import complaint
from slbroker.commands.record import record
from slbroker.commands.rpc import rpc
from slbroker.commands.serve import edge, handler, run
from slbroker.commands.stats import stats
from slbroker.commands.top import top
from slbroker.commands.trace import trace
from slbroker.commands.variables import unknown_variables
from slbroker.errors import Exit, UserError

_EPILOG = """\
\b
Each command's --help has its options. slbroker config writes a file with all of them, slbroker check looks at it.
Completion: eval "$(_SLBROKER_COMPLETE=bash_source slbroker)" in ~/.bashrc; zsh_source in ~/.zshrc;
_SLBROKER_COMPLETE=fish_source slbroker | source in fish's config.
"""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EPILOG,
)
@click.version_option(package_name="slbroker")
def cli() -> None:
    """Answer SIP requests statelessly: a light edge, your Python handlers, a message queue between them."""


for command in (
    run, edge, handler, broker, monitor, rpc, keys, ping, alive, stats, top, forget, trace, check, config, new, record,
    replay, explain,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Run the command; a problem that the user can mend is one line and a named exit code (`slbroker.errors.Exit`)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the locale's encoding has no letter for is no reason to end
            stream.reconfigure(errors="backslashreplace")
    try:
        _run()
    except BrokenPipeError:  # `slbroker stats | head`
        _leave_output()
        sys.exit(Exit.FAILURE)
    except UnicodeEncodeError as error:  # a file's name, mostly
        said, encoding = error.object[error.start : error.end], error.encoding
        _fail(f"the locale's encoding, {encoding}, has no {said!a}; run with LC_ALL=C.UTF-8", Exit.CONFIG)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG) or error.filename is not None:
            raise
        _leave_output()
        _fail(f"cannot write: {error.strerror}", Exit.FAILURE)


def _run() -> None:
    for words in unknown_variables(cli, os.environ) if sys.argv[1:2] != ["check"] else ():  # which says it itself
        click.echo(f"slbroker: {words}", err=True)
    try:
        sys.exit(cli.main(prog_name="slbroker", standalone_mode=False))
    except UserError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(Exit.USAGE)
    except click.ClickException as error:
        _fail(complaint(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(Exit.FAILURE)


def _leave_output() -> None:
    """Have what is left for standard output go nowhere, or Python complains when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> None:
    click.echo(f"slbroker: {message}", err=True)
    sys.exit(code)
