"""A Django site's own database, made by Django itself: ``python django_site.py db.sqlite3``.

A process of its own, because Django is configured once per process.
"""

from __future__ import annotations

import sys

import django
from django.conf import settings
from django.core.management import call_command

HASHERS = ("PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt")


def main(path: str) -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in HASHERS],
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth import hashers
    from django.contrib.auth.hashers import get_hashers, make_password
    from django.contrib.auth.models import User

    # Lower costs, as sites may set them: the tests check each password a few times.
    hashers.PBKDF2PasswordHasher.iterations = 10_000
    hashers.BCryptSHA256PasswordHasher.rounds = 5
    hashers.Argon2PasswordHasher.memory_cost = 8_192
    for hasher in get_hashers():
        name = f"{hasher.algorithm}@example.com"
        User.objects.create(
            username=name,
            email=name,
            first_name="Ada",
            last_name=hasher.algorithm,
            password=make_password(f"old {hasher.algorithm}", hasher=hasher.algorithm),
        )
    User.objects.create_user("gone", password="old gone", is_active=False)
    User.objects.create_user("sso-only")  # an unusable password


if __name__ == "__main__":
    main(sys.argv[1])
