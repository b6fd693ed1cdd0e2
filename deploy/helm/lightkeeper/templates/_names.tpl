{{/* What everything of one release is called; lightkeeper for a release of that name. */}}
{{- define "lightkeeper.name" -}}
{{- if contains "lightkeeper" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-lightkeeper" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "lightkeeper.selector" -}}
app.kubernetes.io/name: lightkeeper
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lightkeeper.labels" -}}
{{ include "lightkeeper.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "lightkeeper.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* A binding's end, for the Role or ClusterRole of a name. */}}
{{- define "lightkeeper.binds" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .role }}
subjects:
  - kind: ServiceAccount
    name: {{ include "lightkeeper.name" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* The rule for the Secrets that are pushed with. */}}
{{- define "lightkeeper.push-rule" -}}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ .Values.push.secrets | toJson }}
  verbs: [get, create, patch{{ if .Values.push.prune }}, delete{{ end }}]
{{- end }}
