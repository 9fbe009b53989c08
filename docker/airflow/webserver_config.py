"""The login: Flask AppBuilder's users and roles in Airflow's database. FAB's manual explains the keys."""

from flask_appbuilder.const import AUTH_DB

AUTH_TYPE = AUTH_DB
# No self-registration, no anonymous access.
AUTH_USER_REGISTRATION = False
WTF_CSRF_ENABLED = True
# The default, scrypt, takes 32 MiB per login, too much for twenty at once. Iterations: OWASP's.
FAB_PASSWORD_HASH_METHOD = "pbkdf2:sha256:600000"  # noqa: S105  no password
# Checked for unknown names, with the time and memory of a wrong password.
AUTH_DB_FAKE_PASSWORD_HASH_CHECK = (
    "pbkdf2:sha256:600000$dLpMLDLUR840Cd9t$43e0c7f63b387012f372443d8bbafcabd5c434db9b25b152df3aa79b5a5c316f"  # noqa: S105
)
