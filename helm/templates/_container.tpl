{{- define "sluice.container" -}}
image: {{ include "sluice.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- /* The image's own command, said again: what runs is to be seen here. */}}
command: [node, cli/main.ts, serve]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
env:
  {{- include "sluice.environment" . | nindent 2 }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: http
    containerPort: 8080
  {{- if .Values.metrics.enabled }}
  - name: metrics
    containerPort: 9464
  {{- end }}
{{- /* Half a minute to start. After that 30 s of silence is a hang: a restart costs every socket of the pod. */}}
startupProbe:
  {{- include "sluice.probe" (list "/healthz" .) | nindent 2 }}
  periodSeconds: 1
  failureThreshold: 30
livenessProbe:
  {{- include "sluice.probe" (list "/healthz" .) | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  {{- include "sluice.probe" (list "/readyz" .) | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- /* On the signal the gateway stops listening at once. Balancers that hear of it a moment later would meet refusals. */}}
{{- if .Values.preStopSeconds }}
lifecycle:
  preStop:
    exec:
      command: [sleep, {{ .Values.preStopSeconds | int64 | quote }}]
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
{{- with include "sluice.mounts" . }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (list path root) */}}
{{- define "sluice.probe" -}}
httpGet:
  path: {{ first . }}
  port: http
  {{- if (last .).Values.tls.existingSecret }}
  scheme: HTTPS
  {{- end }}
{{- end -}}

{{- define "sluice.mounts" -}}
{{- $folders := list -}}
{{- if .Values.jwt.publicKeys.existingConfigMap -}}{{- $folders = append $folders "jwt" -}}{{- end -}}
{{- if .Values.redis.ca.existingConfigMap -}}{{- $folders = append $folders "redis" -}}{{- end -}}
{{- if .Values.prompts -}}{{- $folders = append $folders "prompts" -}}{{- end -}}
{{- /* Whole folders: a single file that is mounted (subPath) never changes. */ -}}
{{- if .Values.config -}}{{- $folders = append $folders "config" -}}{{- end -}}
{{- range .Values.configSecrets -}}{{- $folders = append $folders (printf "secrets/%s" .) -}}{{- end -}}
{{- if .Values.tls.existingSecret -}}{{- $folders = append $folders "tls" -}}{{- end -}}
{{- range $index, $folder := $folders }}
{{- if $index }}
{{ end -}}
- name: {{ $folder | replace "/" "-" }}
  mountPath: /etc/sluice/{{ $folder }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "sluice.volumes" -}}
{{- if include "sluice.mounts" . -}}
volumes:
  {{- with .Values.jwt.publicKeys.existingConfigMap }}
  - name: jwt
    configMap:
      name: {{ . }}
  {{- end }}
  {{- with .Values.redis.ca.existingConfigMap }}
  - name: redis
    configMap:
      name: {{ . }}
  {{- end }}
  {{- if .Values.prompts }}
  - name: prompts
    configMap:
      name: {{ include "sluice.fullname" . }}-prompts
  {{- end }}
  {{- if .Values.config }}
  - name: config
    configMap:
      name: {{ include "sluice.fullname" . }}-config
  {{- end }}
  {{- range .Values.configSecrets }}
  - name: secrets-{{ . }}
    secret:
      secretName: {{ . }}
  {{- end }}
  {{- with .Values.tls.existingSecret }}
  - name: tls
    secret:
      secretName: {{ . }}
  {{- end }}
{{- end -}}
{{- end -}}
