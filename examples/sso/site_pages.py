"""The pages of the example sites: plain HTML with links and forms, no script."""

from typing import Any

from jinja2 import DictLoader, Environment
from starlette.responses import HTMLResponse

HEADERS = {
    "cache-control": "no-store",
    # No form-action: Chromium applies it to all redirects after a form, and signing out goes to the provider.
    "content-security-policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

STYLE = """
:root { color-scheme: light dark; --accent: ACCENT;
  --ink: #1c2024; --soft: #5b6470; --paper: #fff; --back: #f4f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceef1; --soft: #a4adb8; --paper: #1d2127; --back: #121519; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--back); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
  border-top: .5rem solid var(--accent); }
main { width: min(30rem, 100%); padding: 2rem; border-radius: 1rem; background: var(--paper);
  box-shadow: 0 1px 2px #0002, 0 8px 24px #0001; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; }
h1 + p, .soft { color: var(--soft); }
p { margin: .5rem 0; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; }
nav form { display: contents; }
a, button { font: inherit; color: inherit; }
nav a, nav button { padding: .6rem 1.1rem; border: 1px solid var(--soft); border-radius: .6rem;
  background: none; text-decoration: none; cursor: pointer; }
nav .main { border-color: var(--accent); background: var(--accent); color: #fff; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
pre { margin: 1rem 0; padding: 1rem; border-radius: .6rem; background: var(--back); white-space: pre-wrap;
  overflow-wrap: anywhere; }
.notice { padding: .6rem 1rem; border-left: 4px solid var(--accent); background: var(--back); }
"""

_TEMPLATES = {
    "base": """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ site.name }}</title><link rel="stylesheet" href="/style.css"></head>
<body id="{{ page }}"><main>
<h1>{{ site.name }}</h1>
<p>{{ site.origin }}</p>
{% block content %}{% endblock %}
</main></body></html>
""",
    "home": """{% extends "base" %}{% block content %}
{% if user %}
<p>Signed in as <strong id="user">{{ user.name }}</strong>.</p>
<p class="soft">The provider calls this person <code>{{ user.sub }}</code>.</p>
<nav><a class="main" href="/api">Call the API</a>
<form method="post" action="/logout"><button id="logout">Sign out everywhere</button></form></nav>
{% else %}
{% if ended %}
<p class="notice" id="ended" role="status">Signed out by back-channel at {{ ended }}.</p>
{% endif %}
<p id="nobody">Nobody is signed in here.</p>
<nav><a class="main" id="login" href="/login">Sign in</a>
<a href="/login?prompt=select_account">With another account</a></nav>
{% endif %}
{% endblock %}""",
    "api": """{% extends "base" %}{% block content %}
<p><code>GET {{ address }}</code> answered <strong id="status">{{ status }}</strong>:</p>
<pre id="answer">{{ body }}</pre>
{% if status == 401 %}<p>The access token has run out. Signing in again gets a new one, without a password
while the provider still knows you.</p>{% endif %}
<nav>{% if status == 401 %}<a class="main" href="/login">Sign in again</a>{% endif %}
<a href="/">Back</a></nav>
{% endblock %}""",
    "signed_out": """{% extends "base" %}{% block content %}
<p class="notice" role="status">You are signed out, here and at the provider.</p>
<p class="soft">Every other site that shared this sign-in has been told.</p>
<nav><a class="main" href="/">Start again</a></nav>
{% endblock %}""",
    "failed": """{% extends "base" %}{% block content %}
<p class="notice" role="alert">Nobody was signed in: <code id="error">{{ error }}</code></p>
<p id="reason">{{ reason or "The provider gave no further reason." }}</p>
<nav><a class="main" href="/login">Try again</a><a href="/">Back</a></nav>
{% endblock %}""",
}
_ENVIRONMENT = Environment(loader=DictLoader(_TEMPLATES), autoescape=True, trim_blocks=True)


def html(page: str, site: object, status_code: int = 200, **values: Any) -> HTMLResponse:
    """The page of that name; ``site`` needs ``name`` and ``origin``."""
    text = _ENVIRONMENT.get_template(page).render(page=page.replace("_", "-"), site=site, **values)
    return HTMLResponse(text, status_code, HEADERS)
