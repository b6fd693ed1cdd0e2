{{/* Fails where the configuration wants more than `push` lets the daemon do. */}}
{{- define "lightkeeper.checks" -}}
{{- range .Values.config.logins }}
{{- range .outputs }}
{{- if eq .type "kubernetes_secret" }}
{{- $secret := .secret | default "lightsail-push" }}
{{- if not (has $secret $.Values.push.secrets) }}
{{- fail (printf "config writes the Secret %s: add it to push.secrets" $secret) }}
{{- end }}
{{- if and .prune (not .merge) (not $.Values.push.prune) }}
{{- fail (printf "config prunes the Secret %s: set push.prune, which lets the daemon delete it" $secret) }}
{{- end }}
{{- if not $.Values.push.clusterWide }}
{{- if .namespace_selector }}
{{- fail "config has a namespace_selector: set push.clusterWide, which lets the daemon list namespaces" }}
{{- end }}
{{- range .namespaces }}
{{- if regexMatch "[*?]" . }}
{{- fail (printf "config has the pattern %s: set push.clusterWide, which lets the daemon list namespaces" .) }}
{{- else if not (has . $.Values.push.namespaces) }}
{{- fail (printf "config writes to the namespace %s: add it to push.namespaces" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
