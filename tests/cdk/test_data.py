"""The table and the bucket."""

from tests.cdk.assembly import Assembly, statements


def _bucket_denials(assembly: Assembly) -> list[dict[str, object]]:
    (policy,) = assembly.properties("S3::BucketPolicy")
    return [s["Condition"] for s in statements(policy["PolicyDocument"]) if s["Effect"] == "Deny"]


def test_the_table_has_the_keys_the_stores_use(assembly: Assembly) -> None:
    (table,) = assembly.properties("DynamoDB::Table")
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    indexes = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in table["GlobalSecondaryIndexes"]
    }
    assert indexes == {"gsi1": ["gsi1pk", "gsi1sk"], "gsi2": ["gsi2pk", "gsi2sk"]}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["TableName"] == f"kit-{assembly.config.stage}"


def test_the_table_can_be_put_back_to_any_second(assembly: Assembly) -> None:
    (table,) = assembly.properties("DynamoDB::Table")
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_table_of_an_aws_stage_cannot_be_deleted_by_mistake(aws_assembly: Assembly) -> None:
    (table,) = aws_assembly.properties("DynamoDB::Table")
    assert table["DeletionProtectionEnabled"] is True


def test_the_bucket_is_private_versioned_and_encrypted(assembly: Assembly) -> None:
    (bucket,) = assembly.properties("S3::Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    wanted = "aws:kms" if assembly.config.own_keys else "AES256"
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == wanted


def test_the_bucket_refuses_plain_http_and_old_tls(assembly: Assembly) -> None:
    denials = _bucket_denials(assembly)
    assert {"Bool": {"aws:SecureTransport": "false"}} in denials
    assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denials


def test_old_versions_and_broken_uploads_end(assembly: Assembly) -> None:
    (bucket,) = assembly.properties("S3::Bucket")
    rule, _ = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_long_texts_of_turns_without_a_session_end_with_their_items(assembly: Assembly) -> None:
    (bucket,) = assembly.properties("S3::Bucket")
    _, rule = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["Prefix"] == "turns/expiring/"
    assert rule["ExpirationInDays"] == assembly.config.completion_ttl_days
