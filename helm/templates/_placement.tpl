{{/* Where pods may be: not on one machine, not in one zone. */}}
{{- define "sluice.placement" -}}
{{- $values := .Values -}}
{{- with include "sluice.antiAffinity" . -}}
affinity:
  podAntiAffinity:
    {{- . | nindent 4 }}
{{- end }}
{{- if $values.topologySpread.key }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: {{ $values.topologySpread.key }}
    whenUnsatisfiable: {{ $values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "sluice.selector" . | nindent 8 }}
    # Of one revision: during an update the old pods do not push the new ones aside.
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sluice.antiAffinity" -}}
{{- if eq .Values.podAntiAffinity "soft" -}}
preferredDuringSchedulingIgnoredDuringExecution:
  - weight: 100
    podAffinityTerm:
      topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "sluice.selector" . | nindent 10 }}
{{- else if eq .Values.podAntiAffinity "hard" -}}
requiredDuringSchedulingIgnoredDuringExecution:
  - topologyKey: kubernetes.io/hostname
    labelSelector:
      matchLabels:
        {{- include "sluice.selector" . | nindent 8 }}
{{- end -}}
{{- end -}}
