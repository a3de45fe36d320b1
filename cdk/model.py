"""A Model stack: one catalogue entry, served by SageMaker while the stack stands."""

import hashlib
import json

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk import names
from cdk.config import DeployConfig
from cdk.logs import log_group
from cdk.model_role import model_role
from cdk.model_scaling import add_scale_to_zero
from cdk.stack import KitStack
from cdk.weights import container_env, data_source
from lambdas.core.catalogue import HubWeights, Instance, ModelEntry, VllmContainer

_VARIANT = "main"
_START_LIMIT_S = 1800  # fetching and loading the weights of the largest entries
# vLLM's images are built for CUDA 13, which the default host driver does not run.
_CUDA_13_AMI = "al2-ami-sagemaker-inference-gpu-3-1"


class ModelStack(KitStack):
    """Model, endpoint and one inference component, which holds the model's copies."""

    def __init__(self, scope: Construct, config: DeployConfig, entry: ModelEntry) -> None:
        super().__init__(scope, f"Model-{entry.resource_name}", config)
        cdk.Tags.of(self).add("kit:model", entry.id)
        self._entry = entry
        self._name = names.model_name(config, entry)
        self._role = model_role(self, entry, log_groups=self._log_groups())
        component = self._component(self._model(), self._endpoint(self._endpoint_config()))
        if config.scale_to_zero:
            add_scale_to_zero(self, component, name=self._name, most_copies=config.most_copies)

    def _model(self) -> sagemaker.CfnModel:
        entry = self._entry
        container = sagemaker.CfnModel.ContainerDefinitionProperty(
            image=entry.container.image.uri(region=cdk.Aws.REGION, suffix=cdk.Aws.URL_SUFFIX),
            environment=container_env(entry),
            model_data_source=data_source(entry.weights, entry.licence),
        )
        # Weights from the hub are fetched by the container itself.
        isolated = not isinstance(entry.weights, HubWeights)
        model = sagemaker.CfnModel(
            self,
            "Model",
            model_name=self._name_by_content(container, isolated),
            execution_role_arn=self._role.role_arn,
            primary_container=container,
            enable_network_isolation=isolated,
        )
        model.node.add_dependency(self._role)
        return model

    def _endpoint_config(self) -> sagemaker.CfnEndpointConfig:
        """One variant without a model: the inference component brings it."""
        machine = self._entry.instances[0]
        property_of = sagemaker.CfnEndpointConfig
        ami = _CUDA_13_AMI if isinstance(self._entry.container, VllmContainer) else None
        least = 0 if self.config.scale_to_zero else 1
        variant = property_of.ProductionVariantProperty(
            variant_name=_VARIANT,
            instance_type=machine.type,
            initial_instance_count=1,
            inference_ami_version=ami,
            managed_instance_scaling=property_of.ManagedInstanceScalingProperty(
                status="ENABLED",
                min_instance_count=least,
                max_instance_count=self.config.most_copies,
            ),
            routing_config=property_of.RoutingConfigProperty(
                routing_strategy="LEAST_OUTSTANDING_REQUESTS"
            ),
            model_data_download_timeout_in_seconds=_START_LIMIT_S,
            container_startup_health_check_timeout_in_seconds=_START_LIMIT_S,
        )
        endpoint_config = property_of(
            self,
            "EndpointConfig",
            endpoint_config_name=self._name_by_content(variant),
            execution_role_arn=self._role.role_arn,
            production_variants=[variant],
        )
        endpoint_config.node.add_dependency(self._role)
        return endpoint_config

    def _endpoint(self, endpoint_config: sagemaker.CfnEndpointConfig) -> sagemaker.CfnEndpoint:
        return sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self._name,
            endpoint_config_name=endpoint_config.attr_endpoint_config_name,
        )

    def _component(
        self, model: sagemaker.CfnModel, endpoint: sagemaker.CfnEndpoint
    ) -> sagemaker.CfnInferenceComponent:
        property_of = sagemaker.CfnInferenceComponent
        return property_of(
            self,
            "InferenceComponent",
            inference_component_name=self._name,
            endpoint_name=endpoint.attr_endpoint_name,
            variant_name=_VARIANT,
            specification=property_of.InferenceComponentSpecificationProperty(
                model_name=model.attr_model_name,
                compute_resource_requirements=_one_copy(self._entry.instances[0]),
                startup_parameters=property_of.InferenceComponentStartupParametersProperty(
                    model_data_download_timeout_in_seconds=_START_LIMIT_S,
                    container_startup_health_check_timeout_in_seconds=_START_LIMIT_S,
                ),
            ),
            runtime_config=property_of.InferenceComponentRuntimeConfigProperty(copy_count=1),
        )

    def _log_groups(self) -> list[logs.LogGroup]:
        """SageMaker would make them itself, and keep them for ever."""
        key = self.stage_key()
        return [
            log_group(
                self,
                f"{kind}Log",
                name=f"/aws/sagemaker/{kind}/{self._name}",
                retention_days=self.config.log_retention_days,
                key=key,
            )
            for kind in ("Endpoints", "InferenceComponents")
        ]

    def _name_by_content(self, *properties: object) -> str:
        """Name an immutable resource by its properties, so that a changed one has another name.

        CloudFormation makes the new one before it deletes the old one.
        """
        rendered = json.dumps(self.resolve(list(properties)), sort_keys=True)
        return f"{self._name}-{hashlib.sha256(rendered.encode()).hexdigest()[:8]}"


def _one_copy(
    machine: Instance,
) -> sagemaker.CfnInferenceComponent.InferenceComponentComputeResourceRequirementsProperty:
    needs = sagemaker.CfnInferenceComponent.InferenceComponentComputeResourceRequirementsProperty
    return needs(
        min_memory_required_in_mb=machine.memory_mb,
        number_of_accelerator_devices_required=machine.accelerators or None,
    )
