{{- define "erpgo-operator.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "erpgo-operator.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "erpgo-operator.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "erpgo-operator.selector" -}}
app.kubernetes.io/name: erpgo-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "erpgo-operator.labels" -}}
{{ include "erpgo-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: erpgo
{{- end -}}

{{/* An image reference: (dict "image" VALUES "chart" .Chart). */}}
{{- define "erpgo-operator.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .chart.AppVersion) -}}
{{- end -}}
{{- end -}}
