"""Set before torch is loaded: spinning threads make tests several times slower wherever cores are shared."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
