"""Clients known by the document at their id (draft-ietf-oauth-client-id-metadata-document); off unless asked for."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.web.client_documents import ClientDocuments

CLIENT_DOCUMENTS = Feature(
    "client id metadata documents",
    client_sources=(ClientDocuments,),
    metadata=lambda settings: {"client_id_metadata_document_supported": True},
    active=lambda settings: settings.client_documents.mode != "off",
)
