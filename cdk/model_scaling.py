"""Copies of a model by load, down to none: nothing is paid while nobody asks."""

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker

_DIMENSION = "sagemaker:inference-component:DesiredCopyCount"
_NAMESPACE = "sagemaker"
_REQUESTS_PER_COPY = 8  # at once; vLLM batches them
_SLEEP_AFTER_S = 900


def add_scale_to_zero(
    stack: cdk.Stack, component: sagemaker.CfnInferenceComponent, *, name: str, most_copies: int
) -> None:
    """Let the component sleep after a quiet time, and wake it at the first call that fails.

    Target tracking scales in to zero but cannot leave zero, since no copy means no load per copy;
    so a step policy adds the first copy when SageMaker counts calls without capacity.
    """
    target = scaling.CfnScalableTarget(
        stack,
        "Copies",
        service_namespace=_NAMESPACE,
        scalable_dimension=_DIMENSION,
        resource_id=f"inference-component/{name}",
        min_capacity=0,
        max_capacity=most_copies,
    )
    target.node.add_dependency(component)
    _follow_load(stack, target)
    _wake_alarm(stack, name, action_arn=_wake_policy(stack, target).attr_arn)


def _follow_load(stack: cdk.Stack, target: scaling.CfnScalableTarget) -> None:
    property_of = scaling.CfnScalingPolicy
    metric = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
    property_of(
        stack,
        "FollowLoad",
        policy_name="follow-load",
        policy_type="TargetTrackingScaling",
        scaling_target_id=target.ref,
        target_tracking_scaling_policy_configuration=(
            property_of.TargetTrackingScalingPolicyConfigurationProperty(
                predefined_metric_specification=property_of.PredefinedMetricSpecificationProperty(
                    predefined_metric_type=metric
                ),
                target_value=_REQUESTS_PER_COPY,
                scale_in_cooldown=_SLEEP_AFTER_S,
                scale_out_cooldown=60,
            )
        ),
    )


def _wake_policy(stack: cdk.Stack, target: scaling.CfnScalableTarget) -> scaling.CfnScalingPolicy:
    property_of = scaling.CfnScalingPolicy
    return property_of(
        stack,
        "Wake",
        policy_name="wake",
        policy_type="StepScaling",
        scaling_target_id=target.ref,
        step_scaling_policy_configuration=property_of.StepScalingPolicyConfigurationProperty(
            adjustment_type="ChangeInCapacity",
            metric_aggregation_type="Maximum",
            cooldown=60,
            step_adjustments=[
                property_of.StepAdjustmentProperty(
                    metric_interval_lower_bound=0, scaling_adjustment=1
                )
            ],
        ),
    )


def _wake_alarm(stack: cdk.Stack, name: str, *, action_arn: str) -> None:
    cloudwatch.CfnAlarm(
        stack,
        "WakeAlarm",
        alarm_name=f"{name}-wake",
        alarm_description=f"{name} was called while it had no copy",
        namespace="AWS/SageMaker",
        metric_name="NoCapacityInvocationFailures",
        dimensions=[
            cloudwatch.CfnAlarm.DimensionProperty(name="InferenceComponentName", value=name)
        ],
        statistic="Maximum",
        period=30,
        evaluation_periods=1,
        datapoints_to_alarm=1,
        threshold=1,
        comparison_operator="GreaterThanOrEqualToThreshold",
        treat_missing_data="missing",
        alarm_actions=[action_arn],
    )
