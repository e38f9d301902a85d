{{/* The ports of the addresses that the values name, and those that are listed, each once. */}}
{{- define "sluice.egressPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egressPorts -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- $urls := list .Values.openai.baseUrl .Values.jwt.jwksUrl .Values.redis.url -}}
{{- range .Values.config.targets -}}
{{- $urls = append $urls .baseUrl -}}
{{- end -}}
{{- with .Values.config.privacy -}}
{{- range prepend (values (default dict .tenants)) . -}}
{{- $urls = append $urls (dig "filter" "moderation" "url" "" .) -}}
{{- end -}}
{{- end -}}
{{- range $urls -}}
{{- if . -}}
{{- range include "sluice.portsOf" . | fromJsonArray -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- uniq $ports | toJson -}}
{{- end -}}

{{/*
The ports of a URL's hosts, each its own or its scheme's: several Sentinels or nodes of a cluster are one URL. By
patterns, since urlParse fails with the whole URL in its message, password and all.
*/}}
{{- define "sluice.portsOf" -}}
{{- $scheme := regexFind "^[a-z+]+" . -}}
{{- $usual := dict "http" 80 "https" 443 "redis+sentinel" 26379 "rediss+sentinel" 26379 -}}
{{- $hosts := regexFind "//[^/?#]*" . -}}
{{- $ports := list -}}
{{- range splitList "," $hosts -}}
{{- $written := regexFind ":[0-9]+$" . | trimPrefix ":" -}}
{{- $ports = append $ports (default (default 6379 (get $usual $scheme)) $written | int) -}}
{{- end -}}
{{- toJson $ports -}}
{{- end -}}
