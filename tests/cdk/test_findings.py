"""cdk-nag stops a synth; CloudFormation's own validation has nothing to say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

from cdk.findings import acknowledge, check
from cdk.layers import ROOT
from tests.cdk.assembly import Assembly, context

SYNTH = """
import sys
from pathlib import Path
import aws_cdk as cdk
from cdk.app import add_stacks
app = cdk.App(outdir=sys.argv[1], analytics_reporting=False)
add_stacks(app, layers=Path(sys.argv[2]))
app.synth()
"""


def _app_with_a_careless_bucket(folder: Path, *, acknowledged: bool = False) -> cdk.App:
    app = cdk.App(outdir=str(folder), analytics_reporting=False)
    bucket = s3.Bucket(cdk.Stack(app, "Careless"), "Bucket", enforce_ssl=True)
    if acknowledged:
        acknowledge(bucket, {"AwsSolutions-S1": "A test."})
    check(app)
    return app


def test_a_finding_that_nobody_acknowledged_stops_synth(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="AwsSolutions-S1"):
        _app_with_a_careless_bucket(tmp_path).synth()


def test_an_acknowledged_finding_does_not(tmp_path: Path) -> None:
    _app_with_a_careless_bucket(tmp_path, acknowledged=True).synth()


def test_no_stage_has_a_finding_left_not_even_a_warning(assembly: Assembly) -> None:
    report = json.loads((assembly.folder / "validation-report.json").read_text())
    left = [v["ruleName"] for plugin in report["pluginReports"] for v in plugin["violations"]]
    assert left == []


def test_cloudformation_validation_finds_nothing(tmp_path: Path, layers: Path) -> None:
    """In its own process: the switch is read when the CDK's node process starts."""
    given = context(stage="prod", models="flan-t5-base,smollm2-135m-instruct")
    given["@aws-cdk/core:validateAgainstDefaultRules"] = True
    validating = {k: v for k, v in os.environ.items() if k != "CDK_VALIDATION"}
    done = subprocess.run(
        [sys.executable, "-c", SYNTH, str(tmp_path), str(layers)],
        env={**validating, "CDK_CONTEXT_JSON": json.dumps(given)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "validation-report.json").read_text())
    assert [v for plugin in report["pluginReports"] for v in plugin["violations"]] == []
