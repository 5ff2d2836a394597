{{- define "swimlb.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* The release's name, unless that does not say what it is. Names of Services and Leases leave room for what is added. */ -}}
{{- define "swimlb.fullname" -}}
{{- $name := include "swimlb.name" . -}}
{{- $release := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $release | trunc 44 | trimSuffix "-" -}}
{{- end -}}

{{- /* What does not change over the life of an installation. Call with (list $ COMPONENT). */ -}}
{{- define "swimlb.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ include "swimlb.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{- define "swimlb.labels" -}}
{{- $root := first . -}}
{{ include "swimlb.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* Name, namespace and labels of an object of COMPONENT; its name ends in SUFFIX. Call with (list $ COMPONENT SUFFIX). */ -}}
{{- define "swimlb.metadata" -}}
{{- $root := first . -}}
name: {{ include "swimlb.fullname" $root }}-{{ last . }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "swimlb.labels" (list $root (index . 1)) | nindent 2 }}
{{- end -}}

{{- define "swimlb.serviceAccount" -}}
{{- $root := first . -}}
{{- $account := (index $root.Values (last .)).serviceAccount -}}
{{- $account.name | default ($account.create | ternary (printf "%s-%s" (include "swimlb.fullname" $root) (last .)) "default") -}}
{{- end -}}
