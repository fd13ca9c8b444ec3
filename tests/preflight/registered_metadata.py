"""Members a metadata document may have: those registered for authorization servers (RFC 8414 7.1), by their document.

Anything else would be our own invention in everybody's namespace.
"""

from __future__ import annotations

_REGISTERED = """
RFC 8414: issuer authorization_endpoint token_endpoint jwks_uri registration_endpoint scopes_supported
 response_types_supported response_modes_supported grant_types_supported token_endpoint_auth_methods_supported
 token_endpoint_auth_signing_alg_values_supported service_documentation ui_locales_supported op_policy_uri op_tos_uri
 revocation_endpoint revocation_endpoint_auth_methods_supported revocation_endpoint_auth_signing_alg_values_supported
 introspection_endpoint introspection_endpoint_auth_methods_supported
 introspection_endpoint_auth_signing_alg_values_supported code_challenge_methods_supported
OpenID Connect Discovery 1.0: userinfo_endpoint acr_values_supported subject_types_supported
 id_token_signing_alg_values_supported userinfo_signing_alg_values_supported
 request_object_signing_alg_values_supported display_values_supported claim_types_supported claims_supported
 claims_locales_supported claims_parameter_supported request_parameter_supported request_uri_parameter_supported
 require_request_uri_registration
OpenID Connect RP-Initiated Logout 1.0: end_session_endpoint
OpenID Connect Back-Channel Logout 1.0: backchannel_logout_supported backchannel_logout_session_supported
OpenID Connect Front-Channel Logout 1.0: frontchannel_logout_supported frontchannel_logout_session_supported
Initiating User Registration via OpenID Connect 1.0: prompt_values_supported
JARM: authorization_signing_alg_values_supported
RFC 8628: device_authorization_endpoint
RFC 8705: tls_client_certificate_bound_access_tokens mtls_endpoint_aliases
RFC 9101: require_signed_request_object
RFC 9126: pushed_authorization_request_endpoint require_pushed_authorization_requests
RFC 9207: authorization_response_iss_parameter_supported
RFC 9396: authorization_details_types_supported
RFC 9449: dpop_signing_alg_values_supported
RFC 9701: introspection_signing_alg_values_supported
RFC 9728: protected_resources
Client ID Metadata Documents: client_id_metadata_document_supported
"""
REGISTERED = frozenset(
    word for part in _REGISTERED.replace("\n ", " ").splitlines() for word in part.partition(": ")[2].split()
)
