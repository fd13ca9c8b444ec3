"""Owns the list of specifications, each one ``Feature``, mounted in this order. It holds no behaviour of its own."""

from __future__ import annotations

from idp.features.account import ACCOUNT
from idp.features.authorization import AUTHORIZATION
from idp.features.backchannel_logout import BACKCHANNEL_LOGOUT
from idp.features.claims import CLAIMS_PARAMETER
from idp.features.client_documents import CLIENT_DOCUMENTS
from idp.features.clients import CLIENT_SECRET, CLIENT_SECRET_JWT, PRIVATE_KEY_JWT, PUBLIC_CLIENTS
from idp.features.dev_token import DEV_TOKEN
from idp.features.device import DEVICE
from idp.features.dpop import DPOP
from idp.features.fapi2 import FAPI2
from idp.features.feature import Endpoint, Feature, Job
from idp.features.form_post import FORM_POST
from idp.features.frontchannel_logout import FRONTCHANNEL_LOGOUT
from idp.features.implicit_and_hybrid import IMPLICIT_AND_HYBRID
from idp.features.jarm import JARM
from idp.features.jwt_bearer import JWT_BEARER
from idp.features.logout import LOGOUT
from idp.features.pairwise import PAIRWISE
from idp.features.password_exchange import PASSWORD_EXCHANGE
from idp.features.protected_resources import PROTECTED_RESOURCES
from idp.features.pushed import PUSHED_REQUESTS
from idp.features.registration import REGISTRATION, REGISTRATION_MANAGEMENT
from idp.features.request_objects import REQUEST_OBJECTS
from idp.features.sample import SAMPLE
from idp.features.sign_up import SIGN_UP
from idp.features.signed_answers import JWT_INTROSPECTION, SIGNED_USERINFO
from idp.features.step_up import STEP_UP
from idp.features.token_exchange import TOKEN_EXCHANGE
from idp.features.tokens import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    INTROSPECTION,
    REFRESH_TOKEN,
    REVOCATION,
    USERINFO,
)

# Routes are tried in this order: the busiest first.
FEATURES: tuple[Feature, ...] = (
    AUTHORIZATION_CODE,
    AUTHORIZATION,
    FORM_POST,
    JARM,
    IMPLICIT_AND_HYBRID,
    REFRESH_TOKEN,
    CLIENT_CREDENTIALS,
    TOKEN_EXCHANGE,
    JWT_BEARER,
    CLIENT_SECRET,
    PUBLIC_CLIENTS,
    PRIVATE_KEY_JWT,
    CLIENT_SECRET_JWT,
    USERINFO,
    SIGNED_USERINFO,
    INTROSPECTION,
    JWT_INTROSPECTION,
    REVOCATION,
    CLAIMS_PARAMETER,
    STEP_UP,
    PAIRWISE,
    DPOP,
    FAPI2,
    LOGOUT,
    BACKCHANNEL_LOGOUT,
    FRONTCHANNEL_LOGOUT,
    CLIENT_DOCUMENTS,
    PROTECTED_RESOURCES,
    ACCOUNT,
    DEVICE,
    PASSWORD_EXCHANGE,
    REGISTRATION,
    REGISTRATION_MANAGEMENT,
    PUSHED_REQUESTS,
    REQUEST_OBJECTS,
    SIGN_UP,
    SAMPLE,
    DEV_TOKEN,
)

__all__ = ["FEATURES", "Endpoint", "Feature", "Job"]
