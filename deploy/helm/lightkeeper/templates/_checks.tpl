{{/* Fails where the configuration wants more than `push` lets the daemon do. */}}
{{- define "lightkeeper.checks" -}}
{{- if and (hasKey .Values.config "leader_election") (lt (int .Values.replicas) 2) }}
{{- fail "config has a leader_election: set replicas to 2, which makes its Lease and lets the daemon hold it" }}
{{- end }}
{{- range .Values.config.logins }}
{{- range .outputs }}
{{- $cluster := .cluster | default dict }}
{{- /* What is written into another cluster takes a right there. */}}
{{- if and (eq .type "kubernetes_secret") (not (or $cluster.kubeconfig $cluster.context)) }}
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
