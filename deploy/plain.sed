# From what Helm renders to what is applied without Helm: nothing that tells Helm, or of it.
/^# Source: /d
/^  annotations:$/{N;/helm.sh\/resource-policy/d}
/^ *helm.sh\/chart: /d
/^ *app.kubernetes.io\/managed-by: /d
/^# Made by /d
/^$/d
