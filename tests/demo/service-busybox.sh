#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes a small machine of the lab serve: it says who it is and how often it was asked, of which it keeps count in
# /srv. Where a web server runs already, its folder is named; else, in a jail, one is begun.
set -eu
www=${1:-/usr/local/www}
mkdir -p "$www/cgi-bin"
cat >"$www/index.cgi.new" <<'END'
#!/bin/sh
# One question at a time; the count is kept for good before it is answered.
exec 9>>/srv/lock
busybox flock 9
asked=$(($(cat /srv/counter 2>/dev/null || echo 0) + 1))
echo $asked | dd of=/srv/counter.new conv=fsync 2>/dev/null
mv /srv/counter.new /srv/counter
printf 'Content-Type: application/json\r\n\r\n{"machine": "%s", "asked": %s}\n' "$(hostname)" "$asked"
END
chmod 755 "$www/index.cgi.new"
mv "$www/index.cgi.new" "$www/cgi-bin/index.cgi"
[ $# -eq 0 ] || exit 0
echo 'httpd_enable="YES"' >>/etc/rc.conf
httpd -p 80 -h "$www"
