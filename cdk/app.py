"""The CDK app: `cdk synth -c stage=local|dev|prod` runs `python -m cdk.app`."""

import sys
from pathlib import Path

import aws_cdk as cdk

from cdk.api import ApiStack
from cdk.config import load_config
from cdk.data import DataStack
from cdk.findings import check
from cdk.identity import IdentityStack
from cdk.layers import BUILT
from cdk.model import ModelStack
from lambdas.core.catalogue import load_catalogue, pick
from lambdas.core.errors import ConfigurationError


def add_stacks(app: cdk.App, *, layers: Path = BUILT) -> None:
    """Add the stacks of the stage that the context of `app` names, and check them at synth."""
    config = load_config(app.node.get_all_context())
    catalogue = load_catalogue()
    entries = [pick(catalogue, model_id) for model_id in config.models]
    data = DataStack(app, config)
    identity = IdentityStack(app, config)
    for entry in entries:
        model = ModelStack(app, config, entry)
        if config.own_keys:
            model.add_stack_dependency(data)
    api = ApiStack(app, config, entries, layers=layers)
    api.add_stack_dependency(data)
    api.add_stack_dependency(identity)
    check(app)


def main() -> None:
    app = cdk.App(analytics_reporting=False)
    try:
        add_stacks(app)
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
    app.synth()


if __name__ == "__main__":
    main()
