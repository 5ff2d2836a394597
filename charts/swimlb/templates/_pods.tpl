{{- /* What the Pods of both components have in common. Each is called with (list $ COMPONENT) unless said. */ -}}

{{- define "swimlb.podMetadata" -}}
{{- $root := first . -}}
{{- $values := index $root.Values (last .) -}}
labels:
  {{- include "swimlb.selector" . | nindent 2 }}
  {{- with $values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := $values.podAnnotations -}}
{{- if $root.Values.prometheus.scrapeAnnotations -}}
{{- $annotations = merge (dict "prometheus.io/scrape" "true" "prometheus.io/port" ($root.Values.prometheus.metricsPort | toString)) (ternary (dict "prometheus.io/scheme" "https") dict $root.Values.prometheus.secureMetrics) $annotations -}}
{{- end -}}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "swimlb.podSpec" -}}
{{- $root := first . -}}
{{- $values := index $root.Values (last .) -}}
serviceAccountName: {{ include "swimlb.serviceAccount" . }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
nodeSelector:
  kubernetes.io/os: linux
  {{- with $values.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* The component's image, where it has one of its own, else the common one. */ -}}
{{- define "swimlb.image" -}}
{{- $root := first . -}}
{{- $own := (index $root.Values (last .)).image | default dict -}}
{{- $common := $root.Values.image -}}
{{- /* A digest belongs to the image that it is given with: the common one would override a component's own tag. */ -}}
{{- $digest := or $own.repository $own.tag $own.digest | empty | ternary $common.digest $own.digest -}}
image: {{ $own.repository | default $common.repository | default $root.Chart.Name }}:{{ $own.tag | default $common.tag | default $root.Chart.AppVersion }}{{ with $digest }}@{{ . }}{{ end }}
{{- with $own.pullPolicy | default $common.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end -}}

{{- /* Environment from the Pod's own fields. Call with (list $ "NAME:FIELD"...). */ -}}
{{- define "swimlb.env" -}}
{{- range rest . }}
{{- $parts := splitList ":" . }}
- name: {{ first $parts }}
  valueFrom: {fieldRef: {fieldPath: {{ last $parts }}}}
{{- end }}
{{- end -}}

{{- /* Call with (list VALUES HOST); no host: the Pod's address. */ -}}
{{- define "swimlb.probes" -}}
{{- $values := first . -}}
{{- $host := last . -}}
{{- range $name, $path := dict "livenessProbe" "/healthz" "readinessProbe" "/readyz" }}
{{- $probe := index $values $name }}
{{- if $probe.enabled }}
{{ $name }}:
  httpGet:
    path: {{ $path }}
    port: {{ $probe.port }}
    {{- with $host }}
    host: {{ . }}
    {{- end }}
  {{- with omit $probe "enabled" "port" }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* How /metrics is served. The Secret with a certificate is mounted where the arguments look for it. */ -}}
{{- define "swimlb.metricsArguments" -}}
{{- $root := first . -}}
- --metrics-host=$(METALLB_HOST)
- --metrics-port={{ $root.Values.prometheus.metricsPort }}
{{- if $root.Values.prometheus.secureMetrics }}
- --metrics-tls
- --metrics-authorize
{{- if include "swimlb.metricsSecret" . }}
- --metrics-cert-dir=/etc/swimlb-metrics
{{- end }}
{{- end }}
{{- end -}}

{{- define "swimlb.metricsSecret" -}}
{{- index (first .).Values.tls (printf "%sMetricsTLSSecret" (last .)) -}}
{{- end -}}

{{- define "swimlb.metricsMount" -}}
- {name: metrics-certificate, mountPath: /etc/swimlb-metrics, readOnly: true}
{{- end -}}

{{- define "swimlb.metricsVolume" -}}
- name: metrics-certificate
  secret:
    secretName: {{ include "swimlb.metricsSecret" . }}
    defaultMode: 288 # 0440
{{- end -}}

{{- define "swimlb.gossipSecret" -}}
{{- .Values.speaker.secretName | default (printf "%s-memberlist" (include "swimlb.fullname" .)) -}}
{{- end -}}
