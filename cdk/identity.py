"""The Identity stack: who may call, and with which clients."""

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk import names
from cdk.config import DeployConfig
from cdk.findings import acknowledge
from cdk.stack import KitStack

GROUPS = {"admin": "Sees feedback and usage of everybody", "user": "Uses the API"}


class IdentityStack(KitStack):
    """A user pool without self sign-up, a client for the page and one for the command line."""

    def __init__(self, scope: Construct, config: DeployConfig) -> None:
        super().__init__(scope, "Identity", config)
        self.pool = self._pool()
        for group, description in GROUPS.items():
            self.pool.add_group(group, group_name=group, description=description)
        cli = self._cli_client()
        web = self._web_client()
        ssm.StringParameter(
            self,
            "UserPoolArn",
            parameter_name=names.user_pool_parameter(config),
            string_value=self.pool.user_pool_arn,
        )
        self.output("UserPoolId", self.pool.user_pool_id)
        self.output("CliClientId", cli.user_pool_client_id)
        self.output("WebClientId", web.user_pool_client_id)

    def _pool(self) -> cognito.UserPool:
        config = self.config
        protected = config.threat_protection
        plan = cognito.FeaturePlan
        pool = cognito.UserPool(
            self,
            "Users",
            user_pool_name=config.prefix,
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=cdk.Duration.days(7),
            ),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.REQUIRED if config.mfa_required else cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(sms=False, otp=True),
            feature_plan=plan.PLUS if protected else plan.ESSENTIALS,
            standard_threat_protection_mode=(
                cognito.StandardThreatProtectionMode.FULL_FUNCTION if protected else None
            ),
            deletion_protection=config.retain_data,
            removal_policy=self.keep,
        )
        if not config.mfa_required:
            reason = "Every user may turn a second factor on; a stage for trying does not insist."
            acknowledge(pool, {"AwsSolutions-COG2": reason})
        if not protected:
            reason = (
                "Cognito PLUS is billed by user; the stage file turns it on (threat_protection)."
            )
            acknowledge(pool, {"AwsSolutions-COG8": reason})
        return pool

    def _cli_client(self) -> cognito.UserPoolClient:
        return self.pool.add_client(
            "Cli",
            user_pool_client_name=f"{self.config.prefix}-cli",
            auth_flows=cognito.AuthFlow(user_srp=True, user_password=True),
            disable_o_auth=True,
            generate_secret=False,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
        )

    def _web_client(self) -> cognito.UserPoolClient:
        """A public client: no secret, so the page's code grant must use PKCE."""
        urls = list(self.config.web_callback_urls)
        if urls:
            self.pool.add_domain(
                "SignIn",
                cognito_domain=cognito.CognitoDomainOptions(
                    domain_prefix=f"{self.config.prefix}-{cdk.Aws.ACCOUNT_ID}"
                ),
            )
        scopes = [cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL, cognito.OAuthScope.PROFILE]
        grant = cognito.OAuthSettings(
            flows=cognito.OAuthFlows(authorization_code_grant=True),
            scopes=scopes,
            callback_urls=urls,
            logout_urls=urls,
        )
        client = self.pool.add_client(
            "Web",
            user_pool_client_name=f"{self.config.prefix}-web",
            o_auth=grant if urls else None,
            disable_o_auth=not urls,
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            generate_secret=False,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
        )
        # Without a list, Cognito also lets this client sign in by SRP and custom challenges.
        definition = cast(cognito.CfnUserPoolClient, client.node.default_child)
        definition.explicit_auth_flows = ["ALLOW_REFRESH_TOKEN_AUTH"]
        return client
