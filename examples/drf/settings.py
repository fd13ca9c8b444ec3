"""The project's settings; those of the verifier are the last."""

ISSUER = "http://localhost:8000"  # whose tokens are taken, letter by letter their iss
API = "http://localhost:8001"  # where this stands, and what its tokens have as aud

SECRET_KEY = "for this machine only; no token is signed or verified with it"
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["idp.verify.drf.TokenAuthentication"],
    # Whoever forgets to ask for a scope in a view has at least asked for a token.
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}

# The arguments of idp.verify.SyncVerifier, in capitals.
TOKEN_VERIFIER = {
    "ISSUER": ISSUER,
    "AUDIENCE": API,
    "RESOURCE": API,
}
