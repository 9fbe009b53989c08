"""How people log in: Flask AppBuilder's users and roles in Airflow's database. FAB's manual explains the keys."""

from flask_appbuilder.const import AUTH_DB

AUTH_TYPE = AUTH_DB
# Nobody makes an account for himself, and nobody is let in without one.
AUTH_USER_REGISTRATION = False
WTF_CSRF_ENABLED = True
