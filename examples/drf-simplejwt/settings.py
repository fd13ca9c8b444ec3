"""The project's settings; the last are all that djangorestframework-simplejwt needs to take the provider's tokens."""

ISSUER = "http://localhost:8000"  # whose tokens are taken, letter by letter their iss
API = "http://localhost:8001"  # what the tokens of this API have as aud

SECRET_KEY = "for this machine only; no token is signed or verified with it"
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]

REST_FRAMEWORK = {
    # Not JWTAuthentication, which looks for a row of the users table.
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}

SIMPLE_JWT = {
    "ALGORITHM": "RS256",
    "JWK_URL": f"{ISSUER}/.well-known/jwks.json",
    "ISSUER": ISSUER,
    "AUDIENCE": API,
    "USER_ID_CLAIM": "sub",
    "TOKEN_TYPE_CLAIM": None,  # a claim of simplejwt's own tokens
    "LEEWAY": 30,  # seconds two clocks may differ
}
