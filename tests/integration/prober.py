# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask for a page, pause, and print "TIME ANSWER" for each good answer, until killed.

Runs on the control node.
"""

from __future__ import annotations

import http.client
import sys
import time

host, path, seconds = sys.argv[1:]
pause = float(seconds)
while True:
    connection = http.client.HTTPConnection(host, timeout=15 * pause)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
        if response.status == 200 and text.strip():
            print(time.time(), text.split()[0], flush=True)
    except OSError:
        pass
    except http.client.HTTPException:
        pass
    finally:
        connection.close()
    time.sleep(pause)
