"""The project's one view."""

from typing import Any

from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response


@api_view(["GET"])
def whoami(request: Request) -> Response:
    user: Any = request.user
    return Response({"id": user.id, "scope": request.auth["scope"]})


urlpatterns = [path("whoami", whoami)]
