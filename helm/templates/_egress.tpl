{{/* The ports of the addresses that the values name, and those that are listed, each once. */}}
{{- define "sluice.egressPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egressPorts -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- range list .Values.openai.baseUrl .Values.jwt.jwksUrl .Values.redis.url -}}
{{- if . -}}
{{- $ports = append $ports (include "sluice.portOf" . | int) -}}
{{- end -}}
{{- end -}}
{{- uniq $ports | toJson -}}
{{- end -}}

{{/* A URL's port, or its scheme's. By patterns, since urlParse fails with the whole URL in its message, password and all. */}}
{{- define "sluice.portOf" -}}
{{- $scheme := regexFind "^[a-z+]+" . -}}
{{- $host := regexFind "//[^/?#]*" . -}}
{{- $written := regexFind ":[0-9]+$" $host | trimPrefix ":" -}}
{{- default (get (dict "http" "80" "https" "443") $scheme) $written | default "6379" -}}
{{- end -}}
