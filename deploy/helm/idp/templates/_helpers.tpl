{{- define "idp.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "idp.selector" -}}
app.kubernetes.io/name: idp
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "idp.labels" -}}
{{ include "idp.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "idp.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "idp.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "idp.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "idp.environment" -}}
- name: IDP_ISSUER
  value: {{ .Values.issuer | quote }}
- name: IDP_DATA_DIR
  value: /var/lib/idp
- name: IDP_LISTEN_HOST
  value: "0.0.0.0"
- name: IDP_LISTEN_PORT
  value: "8000"
- name: IDP_DRAIN_SECONDS
  value: {{ .Values.drainSeconds | quote }}
- name: IDP_PROXY_HOPS
  value: {{ .Values.proxyHops | quote }}
{{- with .Values.trustedProxies }}
- name: IDP_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- if .Values.metrics.enabled }}
- name: IDP_METRICS_HOST
  value: "0.0.0.0"
- name: IDP_METRICS_PORT
  value: {{ .Values.metrics.port | quote }}
{{- end }}
- name: IDP_DATABASE
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.secretName }}
      key: {{ .Values.database.secretKey }}
- name: IDP_KEY_ENCRYPTION_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.keyEncryptionKey.secretName }}
      key: {{ .Values.keyEncryptionKey.secretKey }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "idp.mounts" -}}
- name: data
  mountPath: /var/lib/idp
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "idp.volumes" -}}
# Nothing in them outlives a pod: keys, people and sessions are rows in PostgreSQL.
- name: data
  emptyDir: {}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 16Mi}
{{- end }}

{{/* The issuer's path: every endpoint stands under it. */}}
{{- define "idp.path" -}}
{{ (urlParse .Values.issuer).path }}
{{- end }}

{{- define "idp.host" -}}
{{ (urlParse .Values.issuer).hostname }}
{{- end }}
