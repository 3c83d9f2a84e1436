#!/usr/bin/env bash
# systemd 252 (Debian 12), `systemd-analyze verify`: a directive that there is not (WatchDogSec= for WatchdogSec=) and a
# value that cannot be read are told of, and the exit code is 0; a program that is missing makes it 1. With
# --recursive-errors, whatever is said to it, "no" included, all three end with 1.
#
# Seen, exit codes:            unknown directive  unreadable value  missing program
#   verify                     0                  0                 1
#   verify --recursive-errors=no    1             1                 1
# So whoever checks units in CI asks for that option, or takes any output for a failure.
# Exits 0 while that is so, 1 when it has changed, 2 where the package is not to be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq download 'systemd=252.*' libsystemd-shared='252.*' >/dev/null 2>&1 || exit 2
for package in *.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*/systemd)

printf '[Service]\nExecStart=/bin/true\nWatchDogSec=30\n' >unknown.service
printf '[Service]\nExecStart=/bin/true\nWatchdogSec=soon\n' >unreadable.service
printf '[Service]\nExecStart=/bin/there-is-none\n' >missing.service

codes() {
    for unit in unknown unreadable missing; do
        root/usr/bin/systemd-analyze verify --man=no "$@" "./$unit.service" 2>>said && printf '0 ' || printf '%d ' $?
    done
}
plain=$(codes)
asked=$(codes --recursive-errors=no)
root/usr/bin/systemd-analyze --version | head -1
echo "verify: $plain"
echo "verify --recursive-errors=no: $asked"
grep -q "Unknown key name 'WatchDogSec'\|Unknown key 'WatchDogSec'" said && grep -q "Failed to parse" said || { cat said; exit 1; }
[[ $plain == "0 0 1 " && $asked == "1 1 1 " ]]
