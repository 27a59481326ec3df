"""A user of its own for each request that may end a session or an account.

Owns the lives of such users up to the request that is tested: what `schemathesis`, the script beside this
file, loads into the program of that name. Nothing here is tested, so whatever does not go as it should ends
the run. The session in ERPGO_TOKEN makes the users and is never sent with a request that is tested.
"""

import functools
import itertools
import os
import uuid
from collections import defaultdict

import requests
import schemathesis

BASE = os.environ["ERPGO_API"] + "/api/v1"
ADMIN = os.environ["ERPGO_TOKEN"]
PASSWORD = "seven quiet herons wade"
NEXT_PASSWORD = "nine tired otters hum"
# What the operations that concern other users ask for.
PERMISSIONS = ["sessions.revoke", "users.erase"]

CLIENT = requests.Session()
# Neither a proxy nor a .netrc of this machine has a say.
CLIENT.trust_env = False


def call(method, path, token=None, body=None):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = CLIENT.request(method, BASE + path, headers=headers, json=body, timeout=30)
    answer.raise_for_status()
    return answer.json() if answer.content else None


@functools.cache
def role():
    body = {"name": f"throw-away {uuid.uuid4().hex}", "permissions": PERMISSIONS}
    return call("POST", "/roles", ADMIN, body)["id"]


class User:
    """Signed in once, and may do what is to be tested."""

    def __init__(self):
        login = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
        person = {**login, "first_name": "Robin", "last_name": "Clerk"}
        self.id = call("POST", "/users", ADMIN, person)["id"]
        call("POST", "/roles/assign", ADMIN, {"user_id": self.id, "role_id": role()})
        self.token = call("POST", "/auth/login", body=login)["access_token"]

    def session(self):
        return call("GET", "/sessions", self.token)["sessions"][0]["id"]


# What makes a valid request succeed, by operation: the {id} of its path, or fields of its body.
IDS = {
    "DELETE /api/v1/sessions/{id}": User.session,
    "DELETE /api/v1/users/{id}/sessions": lambda user: user.id,
    # Nobody erases themselves by this one.
    "POST /api/v1/users/{id}/erase": lambda _: User().id,
}
FIELDS = {
    "POST /api/v1/auth/change-password": {"current_password": PASSWORD, "new_password": NEXT_PASSWORD},
    "POST /api/v1/profile/erase": {"password": PASSWORD},
}
TURNS = defaultdict(itertools.count)


def let_succeed(case, user):
    label = case.operation.label
    # Every other one: what is not there and what is wrong are to be answered, too.
    if next(TURNS[label]) % 2:
        return
    if label in IDS:
        case.path_parameters["id"] = IDS[label](user)
    if label in FIELDS:
        case.body = {**case.body, **FIELDS[label]}


@schemathesis.hook
def before_call(context, case, kwargs):
    # Who asks without a good token must go on without one.
    if case.operation.schema.is_security_param_negated(case):
        return
    is_valid = case.meta.generation.mode.is_positive
    user = User()
    case.headers["Authorization"] = f"Bearer {user.token}"
    if is_valid:
        let_succeed(case, user)
