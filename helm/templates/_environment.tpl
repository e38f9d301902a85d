{{/* The gateway's variables, from the values. Each stands in sluice.valueOf too, so that extraEnv cannot set it again. */}}
{{- define "sluice.environment" -}}
{{- /* On every address, or no probe, service or scrape reaches it. */ -}}
- name: HOST
  value: {{ .Values.listenAddress | quote }}
- name: PORT
  value: "8080"
- name: SLUICE_METRICS_HOST
  value: {{ .Values.listenAddress | quote }}
- name: SLUICE_METRICS_PORT
  value: {{ ternary "9464" "off" .Values.metrics.enabled | quote }}
- name: SLUICE_DRAIN_MS
  value: {{ .Values.drainMs | int64 | quote }}
{{- with .Values.jwt }}
{{- if .existingSecret }}
- name: SLUICE_JWT_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .key }}
{{- end }}
{{- if .publicKeys.existingConfigMap }}
- name: SLUICE_JWT_PUBLIC_KEY_FILE
  value: {{ range $index, $file := .publicKeys.files }}{{ if $index }},{{ end }}/etc/sluice/jwt/{{ $file }}{{ end }}
{{- end }}
{{- include "sluice.variable" (list "SLUICE_JWT_JWKS_URL" .jwksUrl) }}
{{- include "sluice.variable" (list "SLUICE_JWT_ISSUER" .issuer) }}
{{- include "sluice.variable" (list "SLUICE_JWT_AUDIENCE" .audience) }}
{{- include "sluice.variable" (list "SLUICE_JWT_ALGORITHMS" .algorithms) }}
{{- end }}
{{- with .Values.openai }}
{{- if .existingSecret }}
- name: OPENAI_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .key }}
{{- end }}
{{- include "sluice.variable" (list "OPENAI_BASE_URL" .baseUrl) }}
{{- include "sluice.variable" (list "SLUICE_MODEL" .model) }}
{{- end }}
{{- if eq (include "sluice.hasRedis" .) "true" }}
{{- include "sluice.redisEnvironment" . }}
{{- end }}
{{- if .Values.prompts }}
- name: SLUICE_PROMPTS_DIR
  value: /etc/sluice/prompts
{{- end }}
{{- if .Values.config }}
- name: SLUICE_CONFIG_FILE
  value: /etc/sluice/config/sluice.yaml
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: SLUICE_TLS_CERT_FILE
  value: /etc/sluice/tls/tls.crt
- name: SLUICE_TLS_KEY_FILE
  value: /etc/sluice/tls/tls.key
{{- end }}
{{- include "sluice.variable" (list "SLUICE_TRUSTED_PROXIES" (join "," .Values.trustedProxies)) }}
{{- include "sluice.variable" (list "SLUICE_ALLOWED_ORIGINS" (join "," .Values.allowedOrigins)) }}
{{- end -}}

{{- define "sluice.redisEnvironment" }}
- name: REDIS_URL
{{- if .Values.redis.existingSecret }}
  valueFrom:
    secretKeyRef:
      name: {{ .Values.redis.existingSecret }}
      key: {{ .Values.redis.key }}
{{- else }}
  value: {{ .Values.redis.url | quote }}
{{- end }}
- name: SLUICE_REDIS_PREFIX
  value: {{ .Values.redis.prefix | quote }}
- name: SLUICE_REDIS_WAIT_REPLICAS
  value: {{ .Values.redis.waitReplicas | int64 | quote }}
- name: SLUICE_TAKE_OVER
  value: {{ .Values.turns.takeOver }}
- name: SLUICE_WHEN_BUSY
  value: {{ .Values.turns.whenBusy }}
{{- if .Values.redis.ca.existingConfigMap }}
- name: SLUICE_REDIS_CA_FILE
  value: /etc/sluice/redis/{{ .Values.redis.ca.file }}
{{- end }}
{{- end -}}

{{/* A variable, unless its value is empty: (list name value). */}}
{{- define "sluice.variable" -}}
{{- if last . }}
- name: {{ first . }}
  value: {{ last . | quote }}
{{- end }}
{{- end -}}

{{- define "sluice.hasRedis" -}}
{{- or (ne .Values.redis.existingSecret "") (ne .Values.redis.url "") -}}
{{- end -}}

{{/* Which value sets a variable. */}}
{{- define "sluice.valueOf" -}}
HOST: listenAddress
PORT: service.port
SLUICE_METRICS_HOST: listenAddress
SLUICE_METRICS_PORT: metrics.enabled
SLUICE_DRAIN_MS: drainMs
SLUICE_JWT_SECRET: jwt.existingSecret
SLUICE_JWT_PUBLIC_KEY_FILE: jwt.publicKeys
SLUICE_JWT_JWKS_URL: jwt.jwksUrl
SLUICE_JWT_ISSUER: jwt.issuer
SLUICE_JWT_AUDIENCE: jwt.audience
SLUICE_JWT_ALGORITHMS: jwt.algorithms
OPENAI_API_KEY: openai.existingSecret
OPENAI_BASE_URL: openai.baseUrl
SLUICE_MODEL: openai.model
REDIS_URL: redis.existingSecret
SLUICE_REDIS_PREFIX: redis.prefix
SLUICE_REDIS_WAIT_REPLICAS: redis.waitReplicas
SLUICE_REDIS_CA_FILE: redis.ca
SLUICE_TAKE_OVER: turns.takeOver
SLUICE_WHEN_BUSY: turns.whenBusy
SLUICE_PROMPTS_DIR: prompts
SLUICE_CONFIG_FILE: config
SLUICE_TLS_CERT_FILE: tls.existingSecret
SLUICE_TLS_KEY_FILE: tls.existingSecret
SLUICE_TRUSTED_PROXIES: trustedProxies
SLUICE_ALLOWED_ORIGINS: allowedOrigins
{{- end -}}
