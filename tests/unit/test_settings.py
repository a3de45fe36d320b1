import pytest

from lambdas.core.errors import ConfigurationError
from lambdas.core.settings import Settings

SETTINGS = Settings(
    stage="dev",
    table_name="kit-dev",
    text_bucket_name="kit-dev-text",
    models=("a", "b.c"),
    tokens_per_day=5,
)


def test_what_is_written_into_the_environment_is_read_back() -> None:
    assert Settings.from_env(SETTINGS.to_env()) == SETTINGS


def test_a_stage_may_have_no_models() -> None:
    none = SETTINGS.model_copy(update={"models": ()})
    assert Settings.from_env(none.to_env()) == none


def test_every_variable_has_the_kits_prefix_and_is_text() -> None:
    env = SETTINGS.to_env()
    assert all(name.startswith("KIT_") and name.isupper() for name in env)
    assert all(isinstance(value, str) for value in env.values())
    assert env["KIT_MODELS"] == '["a", "b.c"]'


def test_other_variables_are_not_looked_at() -> None:
    env = {**SETTINGS.to_env(), "KIT_LAYER_ROOT": "/opt", "AWS_REGION": "us-east-1"}
    assert Settings.from_env(env) == SETTINGS


def test_defaults_stand_where_a_variable_is_missing() -> None:
    env = SETTINGS.to_env()
    del env["KIT_TOKENS_PER_DAY"]
    assert Settings.from_env(env).tokens_per_day == 200_000


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KIT_TABLE_NAME", None, "KIT_TABLE_NAME"),
        ("KIT_TOKENS_PER_DAY", "many", "KIT_TOKENS_PER_DAY"),
        ("KIT_TOKENS_PER_DAY", "0", "greater than 0"),
        ("KIT_MODELS", "smollm2", "a JSON list is expected"),
        ("KIT_MODELS", '"smollm2"', "KIT_MODELS"),
    ],
)
def test_a_variable_that_is_missing_or_wrong_is_named(
    name: str, value: str | None, said: str
) -> None:
    env = SETTINGS.to_env()
    del env[name]
    if value is not None:
        env[name] = value
    with pytest.raises(ConfigurationError, match=said):
        Settings.from_env(env)
