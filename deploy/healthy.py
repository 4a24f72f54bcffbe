"""Exit code 0 if an address answers with status 200 in five seconds: the health check of the containers."""

import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
    sys.exit(answer.status != 200)
