{{/*
Seconds that a pod needs to leave: the pause before the signal, the drain rounded up, and 10 s in which the last sockets
are closed. A shorter grace period would kill it in mid-answer, without a terminal record.
*/}}
{{- define "sluice.leavingSeconds" -}}
{{- $drainSeconds := div (add (.Values.drainMs | int64) 999) 1000 -}}
{{- add (.Values.preStopSeconds | int64) $drainSeconds 10 -}}
{{- end -}}

{{- define "sluice.graceSeconds" -}}
{{- default (include "sluice.leavingSeconds" .) .Values.terminationGracePeriodSeconds | int64 -}}
{{- end -}}
