{{/*
The groups of files/alerts.yaml, changed by the values that name an alert of MetalLB's. Gets the root context.
*/}}
{{- define "swimlb.alertGroups" -}}
{{- $values := .Values.prometheus.prometheusRule -}}
{{- $byAlert := dict
  "MetalLBStaleConfig" $values.staleConfig
  "MetalLBConfigNotLoaded" $values.configNotLoaded
  "MetalLBAddressPoolExhausted" $values.addressPoolExhausted
  "MetalLBBGPSessionDown" $values.bgpSessionDown
-}}
{{- $usage := "MetalLBAddressPoolUsage75Percent" -}}
{{- $groups := list -}}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups -}}
  {{- $rules := list -}}
  {{- range $rule := .rules -}}
    {{- if eq $rule.alert $usage -}}
      {{- /* The pattern of those of all thresholds. */ -}}
      {{- if $values.addressPoolUsage.enabled -}}
        {{- range $values.addressPoolUsage.thresholds -}}
          {{- $expr := $rule.expr | replace "> 75" (printf "> %v" .percent) -}}
          {{- $changes := dict
            "alert" (printf "MetalLBAddressPoolUsage%vPercent" .percent)
            "expr" (include "swimlb.onlyPools" (list $expr $values.addressPoolUsage.excludePools))
            "labels" (.labels | default $rule.labels)
          -}}
          {{- $rules = append $rules (merge $changes (omit $rule "labels")) -}}
        {{- end -}}
      {{- end -}}
    {{- else if hasPrefix "MetalLBAddressPoolUsage" $rule.alert -}}
    {{- else if and (eq $rule.alert "SwimlbControllerAbsent") (not $.Values.controller.enabled) -}}
    {{- else if and (eq $rule.alert "SwimlbSpeakersAbsent") (not $.Values.speaker.enabled) -}}
    {{- else if hasKey $byAlert $rule.alert -}}
      {{- $own := get $byAlert $rule.alert -}}
      {{- if $own.enabled -}}
        {{- $expr := include "swimlb.onlyPools" (list $rule.expr $own.excludePools) -}}
        {{- $changes := dict "expr" $expr "labels" (deepCopy ($own.labels | default dict)) -}}
        {{- $rules = append $rules (merge $changes (omit $rule "labels")) -}}
      {{- end -}}
    {{- else -}}
      {{- $rules = append $rules $rule -}}
    {{- end -}}
  {{- end -}}
  {{- if $rules -}}
    {{- $groups = append $groups (dict "name" .name "rules" $rules) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end -}}

{{/*
An expression on the use of pools, without the pools that match a regular expression. Gets both; an empty one excludes none.
*/}}
{{- define "swimlb.onlyPools" -}}
{{- $expr := index . 0 -}}
{{- with index . 1 -}}
{{- $used := "metallb_allocator_addresses_in_use_total" -}}
{{- $expr = $expr | replace $used (printf "%s{pool!~%q}" $used .) -}}
{{- end -}}
{{- $expr -}}
{{- end -}}
