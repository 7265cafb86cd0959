# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask for a page every 20 ms and print "TIME ANSWER" for each good answer, until killed.

Runs on the control node.
"""

from __future__ import annotations

import http.client
import sys
import time

host, path = sys.argv[1:]
while True:
    connection = http.client.HTTPConnection(host, timeout=0.3)
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
    time.sleep(0.02)
