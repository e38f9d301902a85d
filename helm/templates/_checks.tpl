{{/*
What must hold between values; single ones are values.schema.json's. All problems are told at once, each with what to do:
the gateway would say most of them too, but only in the log of a pod that does not start.
*/}}
{{- define "sluice.check" -}}
{{- $problems := list -}}
{{- range list "jwt" "provider" "config" "redis" "drain" "ingress" "prompts" "extraEnv" -}}
{{- $problems = concat $problems (include (printf "sluice.check.%s" .) $ | fromJsonArray) -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nunable to render the chart:\n- %s\n" (join "\n- " $problems)) -}}
{{- end -}}
{{- end -}}

{{- define "sluice.check.jwt" -}}
{{- $problems := list -}}
{{- with .Values.jwt -}}
{{- if not (or .existingSecret .publicKeys.existingConfigMap .jwksUrl) -}}
{{- $problems = append $problems "no JWT key, without which the gateway listens on loopback only; set jwt.existingSecret, jwt.publicKeys.existingConfigMap or jwt.jwksUrl" -}}
{{- end -}}
{{- $switch := "" -}}
{{- range $.Values.extraEnv -}}
{{- if eq .name "SLUICE_JWT_JWKS_HTTP" -}}{{- $switch = .value -}}{{- end -}}
{{- end -}}
{{- if and (hasPrefix "http://" .jwksUrl) (ne $switch "allow") -}}
{{- $problems = append $problems "jwt.jwksUrl is plain http, so whoever can change that traffic can make tokens; set an https URL, or SLUICE_JWT_JWKS_HTTP: allow in extraEnv where you trust the network" -}}
{{- end -}}
{{- if not .issuer -}}
{{- $problems = append $problems "jwt.issuer is missing; set the issuer (iss) that tokens must carry, or '*' to check none" -}}
{{- end -}}
{{- if not .audience -}}
{{- $problems = append $problems "jwt.audience is missing; set the audience (aud) that tokens must carry, or '*' to check none" -}}
{{- end -}}
{{- if ne (empty .publicKeys.existingConfigMap) (empty .publicKeys.files) -}}
{{- $problems = append $problems "jwt.publicKeys needs both, the ConfigMap and its files; set existingConfigMap and files, or none" -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "sluice.check.provider" -}}
{{- $problems := list -}}
{{- if not (or .Values.openai.existingSecret .Values.openai.baseUrl .Values.config.targets) -}}
{{- $problems = append $problems "no provider; set openai.existingSecret, or openai.baseUrl for an API without a key, or config.targets" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "sluice.check.config" -}}
{{- $problems := list -}}
{{- if and .Values.config (not .Values.config.version) -}}
{{- $problems = append $problems "config has no version; begin it with version: 1" -}}
{{- end -}}
{{- if and .Values.config.targets (or .Values.openai.baseUrl .Values.openai.model) -}}
{{- $problems = append $problems "config.targets and openai.baseUrl or openai.model are both set; set one" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "sluice.check.redis" -}}
{{- $problems := list -}}
{{- $hasRedis := eq (include "sluice.hasRedis" .) "true" -}}
{{- $advice := "set redis.existingSecret or redis.url" -}}
{{- with .Values -}}
{{- if and .autoscaling.enabled (not $hasRedis) -}}
{{- $problems = append $problems (printf "autoscaling without Redis, but pods share nothing else; %s, or autoscaling.enabled: false" $advice) -}}
{{- else if and (gt (int .replicaCount) 1) (not $hasRedis) -}}
{{- $problems = append $problems (printf "replicaCount above 1 without Redis, but pods share nothing else; %s, or replicaCount: 1 to keep conversations in one pod's memory" $advice) -}}
{{- end -}}
{{- if and .redis.existingSecret .redis.url -}}
{{- $problems = append $problems "redis.existingSecret and redis.url are both set; set one" -}}
{{- end -}}
{{- if regexMatch "(?i)//[^/@]*:[^@]*@|passw(or)?d=" .redis.url -}}
{{- $problems = append $problems "redis.url has a password in it, which everybody who reads the release would know; put the whole URL in a secret and set redis.existingSecret" -}}
{{- end -}}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) -}}
{{- $problems = append $problems "autoscaling.minReplicas is above maxReplicas; set it to at most that" -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "sluice.check.drain" -}}
{{- $problems := list -}}
{{- $grace := .Values.terminationGracePeriodSeconds -}}
{{- $needed := include "sluice.leavingSeconds" . | int64 -}}
{{- if and (not (kindIs "invalid" $grace)) (lt ($grace | int64) $needed) -}}
{{- $problems = append $problems (printf "terminationGracePeriodSeconds is shorter than a pod needs to leave (preStopSeconds, drainMs and 10 s); set %d or more, or leave it out" $needed) -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "sluice.check.ingress" -}}
{{- $problems := list -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- $problems = append $problems "the ingress has no host; set ingress.hosts" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- $problems = append $problems "a ServiceMonitor without metrics; set metrics.enabled: true, or metrics.serviceMonitor.enabled: false" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "sluice.check.prompts" -}}
{{- $problems := list -}}
{{- if and .Values.prompts (not (hasKey .Values.prompts "default.md")) -}}
{{- $problems = append $problems "prompts has no default.md, which the gateway needs; add it, or leave prompts out" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "sluice.check.extraEnv" -}}
{{- $problems := list -}}
{{- $valueOf := include "sluice.valueOf" . | fromYaml -}}
{{- range .Values.extraEnv -}}
{{- if hasKey $valueOf .name -}}
{{- $problems = append $problems (printf "extraEnv sets %s; set %s instead" .name (get $valueOf .name)) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
