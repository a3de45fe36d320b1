"""The web ACL in front of the API, for stages that ask for one."""

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

_CALLS_PER_ADDRESS = 2000  # in five minutes
# Prompts are prose and code, and may well quote an attack. So AWS's common rules, which look for
# markup and refuse bodies above 8 KB, are left out, and the rules on bodies below only count.
_COUNTED = ("JavaDeserializationRCE_BODY", "Log4JRCE_BODY")

_Rule = wafv2.CfnWebACL.RuleProperty
_Statement = wafv2.CfnWebACL.StatementProperty


def protect(scope: Construct, stage: apigateway.Stage) -> None:
    """Put a web ACL before `stage`: bad addresses, known attacks, floods from one address."""
    acl = wafv2.CfnWebACL(
        scope,
        "WebAcl",
        scope="REGIONAL",
        default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_visible("web-acl"),
        rules=[
            _managed(0, "AWSManagedRulesAmazonIpReputationList"),
            _managed(1, "AWSManagedRulesKnownBadInputsRuleSet", counted=_COUNTED),
            _flood(2),
        ],
    )
    wafv2.CfnWebACLAssociation(
        scope, "WebAclOfStage", resource_arn=stage.stage_arn, web_acl_arn=acl.attr_arn
    )


def _managed(priority: int, name: str, *, counted: tuple[str, ...] = ()) -> _Rule:
    count = wafv2.CfnWebACL.RuleActionProperty(count={})
    return _Rule(
        name=name,
        priority=priority,
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        visibility_config=_visible(name),
        statement=_Statement(
            managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=name,
                rule_action_overrides=[
                    wafv2.CfnWebACL.RuleActionOverrideProperty(name=rule, action_to_use=count)
                    for rule in counted
                ]
                or None,
            )
        ),
    )


def _flood(priority: int) -> _Rule:
    return _Rule(
        name="flood",
        priority=priority,
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        visibility_config=_visible("flood"),
        statement=_Statement(
            rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                limit=_CALLS_PER_ADDRESS, aggregate_key_type="IP"
            )
        ),
    )


def _visible(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=True
    )
