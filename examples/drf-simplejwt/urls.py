"""Everybody's notes, each person's for that person alone."""

from collections import defaultdict
from typing import Any

from django.urls import path
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

notes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)  # by sub: a name for a person that never changes


class HasScope(BasePermission):
    """simplejwt knows nothing of scopes: the view says which one each method needs."""

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = view.scopes.get(request.method)
        return request.auth is not None and needed in request.auth.get("scope", "").split()


class NewNote(serializers.Serializer):
    text = serializers.CharField(max_length=200)


class Notes(APIView):
    permission_classes = (HasScope,)
    scopes = {"GET": "notes:read", "HEAD": "notes:read", "POST": "notes:write"}

    def get(self, request: Request) -> Response:
        return Response(notes[request.user.id])

    def post(self, request: Request) -> Response:
        new = NewNote(data=request.data)
        new.is_valid(raise_exception=True)
        own = notes[request.user.id]
        own.append({"id": len(own) + 1, "text": new.validated_data["text"]})
        return Response(own[-1], 201)


urlpatterns = [path("notes", Notes.as_view())]
