"""The Data stack: what outlives every deployment."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk import names
from cdk.config import DeployConfig
from cdk.findings import acknowledge
from cdk.keys import stage_key
from cdk.stack import KitStack


class DataStack(KitStack):
    """The table and the bucket for texts that are too long for it."""

    def __init__(self, scope: Construct, config: DeployConfig) -> None:
        super().__init__(scope, "Data", config)
        key = stage_key(self, config, removal_policy=self.keep) if config.own_keys else None
        self.table = self._table(key)
        self.bucket = self._bucket(key)
        self.output("TableName", self.table.table_name)
        self.output("TextBucketName", self.bucket.bucket_name)
        if key:
            parameter = names.key_parameter(config)
            ssm.StringParameter(self, "KeyArn", parameter_name=parameter, string_value=key.key_arn)

    def _table(self, key: kms.IKey | None) -> dynamodb.Table:
        encryption = dynamodb.TableEncryption
        table = dynamodb.Table(
            self,
            "Table",
            table_name=names.table_name(self.config),
            partition_key=_text("pk"),
            sort_key=_text("sk"),
            time_to_live_attribute="expires_at",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=encryption.CUSTOMER_MANAGED if key else encryption.DEFAULT,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=self.config.retain_data,
            removal_policy=self.keep,
        )
        for index in (names.SESSIONS_INDEX, names.FEEDBACK_INDEX):
            table.add_global_secondary_index(
                index_name=index, partition_key=_text(f"{index}pk"), sort_key=_text(f"{index}sk")
            )
        return table

    def _bucket(self, key: kms.IKey | None) -> s3.Bucket:
        encryption = s3.BucketEncryption
        bucket = s3.Bucket(
            self,
            "Texts",
            bucket_name=names.text_bucket_name(self.config),
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            encryption=encryption.KMS if key else encryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=self.keep,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="old-versions",
                    noncurrent_version_expiration=cdk.Duration.days(30),
                    expired_object_delete_marker=True,
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                ),
                s3.LifecycleRule(
                    id="turns-without-session",  # the table's time to live removes their items
                    prefix="turns/expiring/",
                    expiration=cdk.Duration.days(self.config.completion_ttl_days),
                ),
            ],
        )
        acknowledge(
            bucket,
            {
                "AwsSolutions-S1": "Only two functions reach this bucket, one object a long turn,"
                " and the API's access log has a line for each of those calls; a second bucket of"
                " access logs would hold more objects than this one."
            },
        )
        return bucket


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
