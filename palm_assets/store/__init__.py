"""The artifact store: content-addressed artifacts, atomic writes, pins, and the release pointer."""
