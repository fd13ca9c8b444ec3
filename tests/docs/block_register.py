"""What becomes of every block of code in the pages: which test runs it, or why none does.

A page names its blocks by language, or by the words one begins with, which count first. A value is

- a test that runs the block, or does what it says over the same addresses: ``FILE::NAME``, FILE seen from tests/docs;
- ``PARSED``: read by test_blocks.py with the program's own reader (settings, apply file) or the format's;
- ``Shown(reason)``: looked at by people alone.

Blocks that are not named here fail test_blocks.py.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shown:
    """No test runs the block, for this reason."""

    reason: str


PARSED = "parsed"
_PROTOCOL = "test_protocol_pages.py::test_the_example_runs_as_printed"
_OPERATOR = "test_operator_pages.py::test_the_days_of_the_operating_page_and_a_backup"
_PRODUCTION = "test_operator_pages.py::test_to_production_as_the_readme_says"
_FIRST_SIGN_IN = "../cli/test_cli_first_sign_in.py::test_the_first_sign_in_and_the_way_back"
_CLUSTER = Shown("needs Docker or a cluster; tests/deploy checks the files it starts")
_SUITE = Shown("needs the OpenID Foundation's suite; tests/preflight and test_cli_conformance.py check our side")
_CASEY = "../cli/test_cli_conformance.py::test_it_starts_from_nothing_with_casey_and_says_so_each_time"
_SEEING = "test_seeing_page.py::test_the_commands_answer_as_shown"
_SIGN_UP = "test_sign_up_page.py::test_its_command_answers_as_it_says"
_TLS = "../topology/test_topology_tls.py::test_tls_1_2_and_later"
_CURRENT = "test_docs.py::test_what_comes_from_the_code_is_current"
_CLIENT_KEYS = "test_client_keys_pages.py::test_the_app_of_the_page_prints_what_it_says"
_DOCUMENT = "test_client_pages.py::test_a_document_on_this_machine"
_REQUESTS = "test_requests_page.py::test_the_programs_of_the_page"
_DEPLOY = "test_deploy_page.py::test_the_settings_beside_nginx_are_settings"
_IMPORT = "test_import_page.py::test_the_commands_of_the_page_do_what_it_shows"
_LESSON = "test_first_lesson.py::test_every_command_of_the_lesson_answers_as_shown"
_REGISTRATION = "test_registration_page.py::test_the_commands_of_the_page_answer_as_it_says"
_RESOURCE = "test_client_pages.py::test_the_issuer_as_a_resource"
_ROBOT = "test_dpop_page.py::test_the_robot_gets_a_token_only_it_can_use"
_BANK = "test_dpop_page.py::test_the_bank_registers_and_gets_its_token"
_VERIFY = "test_verify_page.py::test_the_short_blocks_run"
_NOTES = "../examples/test_example_python_apis.py::test_every_answer_is_as_the_page_shows_it"
_DJANGO = "test_adapters_page.py::test_django"
_APPS = "../examples/test_browser_apps.py::test_from_the_first_visit_to_signing_out"
_BEARER = "test_jwt_bearer_page.py::test_the_example_runs_as_printed"

REGISTER: dict[str, dict[str, str | Shown]] = {
    "README.md": {
        "make dev ARGS": "../pages/test_sso.py::test_one_sign_in_for_both_sites_and_one_sign_out",
        "make dev ": "test_operator_pages.py::test_the_first_minute_of_the_readme",
        "curl -i": "test_operator_pages.py::test_the_first_minute_of_the_readme",
        "from idp.verify": "test_operator_pages.py::test_the_resource_server_of_the_readme",
        "idp init": _PRODUCTION,
    },
    "CONTRIBUTING.md": {"sh": Shown("asks a package registry; test_wheel.py checks what it wrote")},
    "bench/README.md": {"sh": Shown("takes minutes and measures")},
    "conformance/README.md": {"sh": _SUITE},
    "examples/README.md": {
        "make dev": "../pages/test_sso.py::test_one_sign_in_for_both_sites_and_one_sign_out",
        "python examples/sso": "../pages/test_sso.py::test_one_sign_in_for_both_sites_and_one_sign_out",
    },
    "examples/drf-simplejwt/README.md": {"sh": _NOTES, "text": _NOTES},
    "examples/drf/README.md": {"sh": _NOTES, "text": _NOTES},
    "examples/fastapi/README.md": {"sh": _NOTES, "text": _NOTES},
    "examples/flask/README.md": {"sh": _NOTES, "text": _NOTES},
    "docs/adapters.md": {
        "# settings.py": _DJANGO,
        "# views.py": _DJANGO,
        "# people.py": _DJANGO,
        "from flask": "test_adapters_page.py::test_flask",
        "python": "test_adapters_page.py::test_the_program_takes_good_tokens_alone",
        "text": "test_adapters_page.py::test_a_refusal_is_as_shown",
    },
    "examples/apache/README.md": {
        "apt-get": Shown("asks the system's package archive; .ci/run installs the same"),
        "sh": "../examples/test_example_apache.py::test_the_api_as_printed",
    },
    "examples/desktop/README.md": {"sh": "../examples/test_example_desktop.py::test_the_page_as_printed"},
    "examples/device/README.md": {"sh": "../examples/test_example_device.py::test_the_page_as_printed"},
    "examples/express/README.md": {"sh": "../examples/test_example_express.py::test_the_page_as_printed"},
    "examples/mcp/README.md": {
        "pip install": Shown("asks a package registry"),
        "sh": "../examples/test_example_mcp.py::test_the_page_as_printed",
    },
    "examples/nginx/README.md": {
        "mkdir": "../examples/test_example_nginx.py::test_the_provider_under_its_name",
        "toml": "../examples/test_example_nginx.py::test_the_provider_under_its_name",
        "sh": "../examples/test_example_nginx.py::test_tokens_are_verified_in_front",
    },
    "examples/service/README.md": {
        "sh": "../examples/test_example_service.py::test_the_page_as_printed",
        "text": "../examples/test_example_service.py::test_the_page_as_printed",
    },
    "examples/angular/README.md": {"sh": _APPS, "text": _APPS},
    "examples/bff/README.md": {"sh": "../examples/test_bff.py::test_from_the_first_visit_to_signing_out"},
    "examples/react/README.md": {"sh": _APPS, "text": _APPS},
    "examples/vue/README.md": {"sh": _APPS, "text": _APPS},
    "docs/api-testing.md": {"python": _CURRENT},
    "docs/api-verify.md": {"python": _CURRENT},
    "docs/backup.md": {
        "idp move": "../backup/test_backup_move.py::test_the_command_prints_the_line_to_write_and_no_password",
        "sh": _OPERATOR,
        "text": Shown("a line of a crontab, its command as in the block before"),
        "ini": PARSED,
        "toml": PARSED,
    },
    "docs/claims.md": {
        "toml": "test_claims_page.py::test_the_page_is_answered_as_it_says",
        "json": "test_claims_page.py::test_the_page_is_answered_as_it_says",
    },
    "docs/client-documents.md": {"toml": PARSED, "json": _DOCUMENT, "sh": _DOCUMENT},
    "docs/client-keys.md": {
        "[[clients]]\nclient_id = \"till\"": "test_client_keys_pages.py::test_the_till_of_the_page_applies",
        "toml": _CLIENT_KEYS,
        "python": _CLIENT_KEYS,
        "sh": _CLIENT_KEYS,
    },
    "docs/conformance.md": {"sh": _CASEY},
    "docs/deploy.md": {
        "a request came": "test_deploy_page.py::test_the_line_of_the_log_is_the_one_that_is_written",
        "toml": _DEPLOY,
        "idp serve --tls-cert": _TLS,
        "certbot": Shown("certbot and systemd; the signal it sends is tested in tests/topology"),
        "docker compose": _CLUSTER,
        "idp init": _CLUSTER,
        "helm template": _CLUSTER,
        "idp check": _PRODUCTION,
    },
    "docs/device.md": {"toml": _PROTOCOL, "sh": _PROTOCOL, "text": _PROTOCOL},
    "docs/dpop.md": {
        "toml": _ROBOT,
        "import base64": _ROBOT,
        "text": _ROBOT,
        "from idp.verify": "test_dpop_page.py::test_the_api_of_the_page_answers_as_it_says",
    },
    "docs/fapi2.md": {"python": _BANK, "sh": _BANK, "text": _BANK},
    "docs/first-lesson.md": {"sh": _LESSON, "text": _LESSON},
    "docs/hooks.md": {
        "# own_passwords.py": "test_mounting_page.py::test_the_page_says_what_the_module_says",
        "python": "test_mounting_page.py::test_the_hooks_of_the_page",
    },
    "docs/import.md": {
        "idp client add": _IMPORT,
        "sh": _IMPORT,
        "text": _IMPORT,
        "csv": _IMPORT,
    },
    "docs/jwt-bearer.md": {"toml": _BEARER, "sh": _BEARER, "text": _BEARER},
    "docs/keys.md": {"text": Shown("a drawing"), "sh": _PRODUCTION},
    "docs/logout.md": {
        "2026-11-24": Shown("what a delivery that fails looks like; tests/cli checks the command that prints it"),
        "toml": _PROTOCOL,
        "sh": _PROTOCOL,
        "text": _PROTOCOL,
    },
    "docs/mcp.md": {
        "profile": PARSED,
        "toml": "test_mcp_page.py::test_the_sdk_signs_in_with_nothing_registered",
        "python": "test_mcp_page.py::test_the_sdk_signs_in_with_nothing_registered",
    },
    "docs/mounting.md": {"python": "test_mounting_page.py::test_each_app_serves_the_provider"},
    "docs/observe.md": {"sh": "../watch/test_watch_traces.py::test_a_sign_on_as_the_collector_sees_it"},
    "docs/opaque-tokens.md": {"sh": _PRODUCTION, "toml": "test_client_pages.py::test_an_opaque_token"},
    "docs/operate.md": {
        "~ client": Shown("what a plan looks like; tests/cli checks each kind of line"),
        "idp client add cli": _FIRST_SIGN_IN,
        "sh": _OPERATOR,
        "toml": _OPERATOR,
    },
    "docs/pairwise.md": {"toml": _PROTOCOL, "sh": _PROTOCOL, "text": _PROTOCOL},
    "docs/protected-resources.md": {"sh": _RESOURCE, "text": _RESOURCE, "json": _RESOURCE},
    "docs/registration.md": {"sh": _REGISTRATION, "text": _REGISTRATION},
    "docs/requests.md": {"python": _REQUESTS, "toml": _REQUESTS, "sh": _PRODUCTION},
    "docs/responses.md": {"toml": _PROTOCOL, "sh": _PROTOCOL, "text": _PROTOCOL},
    "docs/seeing.md": {
        "idp watch --seconds": _SEEING,
        "idp watch": "../seeing/test_watch.py::test_r_rotates_and_nothing_fails",
        "sh": _SEEING,
        "text": _SEEING,
    },
    "docs/sign-up.md": {"sh": _SIGN_UP, "text": _SIGN_UP},
    "docs/signed-answers.md": {"toml": _CLIENT_KEYS, "python": _CLIENT_KEYS, "sh": _CLIENT_KEYS},
    "docs/step-up.md": {
        "acr": PARSED,
        "python": _PROTOCOL,
        "toml": _PROTOCOL,
        "sh": _PROTOCOL,
        "text": _PROTOCOL,
    },
    "docs/token-exchange.md": {"toml": _PROTOCOL, "sh": _PROTOCOL, "text": _PROTOCOL},
    "docs/testing.md": {
        "python": "test_testing_page.py::test_the_files_of_the_page_run",
    },
    "docs/verify.md": {
        "keycloak = ": _VERIFY,
        "verifier = Verifier": _VERIFY,
        "toml": _PROTOCOL,
        "python": _PROTOCOL,
        "sh": _PROTOCOL,
        "text": _PROTOCOL,
    },
}
