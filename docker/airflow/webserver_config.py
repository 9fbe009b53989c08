"""The login: Flask AppBuilder's users and roles in Airflow's database. FAB's manual explains the keys."""

from flask_appbuilder.const import AUTH_DB

AUTH_TYPE = AUTH_DB
# Nobody makes an account for himself, and nobody is let in without one.
AUTH_USER_REGISTRATION = False
WTF_CSRF_ENABLED = True
# Not scrypt, the default: it takes 32 MiB for each who logs in, with a wrong password too, so that twenty at once are
# more than the container has. The number of iterations is OWASP's (Password Storage Cheat Sheet).
FAB_PASSWORD_HASH_METHOD = "pbkdf2:sha256:600000"  # noqa: S105  no password
# What is checked where nobody has the name: as long as a wrong password, in as little memory.
AUTH_DB_FAKE_PASSWORD_HASH_CHECK = (
    "pbkdf2:sha256:600000$dLpMLDLUR840Cd9t$43e0c7f63b387012f372443d8bbafcabd5c434db9b25b152df3aa79b5a5c316f"  # noqa: S105
)
