"""Everybody's notes, each person's for that person alone."""

from collections import defaultdict
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from idp.verify.drf import guard, requires_by_method

notes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)  # by sub: a name for a person that never changes


class NewNote(serializers.Serializer):
    text = serializers.CharField(max_length=200)


class Notes(APIView):
    permission_classes = (requires_by_method(GET="notes:read", POST="notes:write"),)

    def get(self, request: Request) -> Response:
        return Response(notes[request.user.pk])

    def post(self, request: Request) -> Response:
        new = NewNote(data=request.data)
        new.is_valid(raise_exception=True)
        own = notes[request.user.pk]
        own.append({"id": len(own) + 1, "text": new.validated_data["text"]})
        return Response(own[-1], 201)


def metadata(request: HttpRequest) -> JsonResponse:
    """Where a refused client finds out which provider to ask (RFC 9728)."""
    return JsonResponse(dict(guard().verifier.resource_metadata()))


urlpatterns = [
    path("notes", Notes.as_view()),
    path(".well-known/oauth-protected-resource", metadata),
]
