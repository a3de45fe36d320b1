"""Access log lines of the emulated API Gateway."""

from scripts.local.emulator.access_log import LogLine, log_group_of, render


def test_an_access_log_line_is_filled_and_the_unknown_is_a_dash() -> None:
    known = {"status": 200, "authorizer": {"claims": {"sub": "ana"}}, "error": {"message": None}}
    line = '{"s":"$context.status","u":"$context.authorizer.claims.sub"} $context.error.message'
    assert render(f"{line} $context.nope", known) == '{"s":"200","u":"ana"} - -'


def test_a_line_is_made_of_the_call() -> None:
    call = LogLine(
        api_id="api",
        stage="v",
        method="GET",
        path="/x",
        status=401,
        length_bytes=7,
        started_s=0.0,
        ended_s=0.5,
        request={"request_id": "id-1", "resource_path": "", "headers": {"user-agent": "curl"}},
        event_context={},
        error_type="UNAUTHORIZED",
        error_message="Unauthorized",
    )
    wanted = "$context.requestId $context.status $context.path $context.responseLatency"
    assert call.render(wanted) == "id-1 401 /v/x 500"
    assert call.render("$context.error.responseType $context.requestTime") == (
        "UNAUTHORIZED 01/Jan/1970:00:00:00 +0000"
    )


def test_the_log_group_is_taken_from_its_arn() -> None:
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/kit/access"
    assert log_group_of(arn) == log_group_of(f"{arn}:*") == "/kit/access"
