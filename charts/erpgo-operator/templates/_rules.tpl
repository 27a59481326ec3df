{{/* What the operator may do where it watches; a test compares it with the list in its code. */}}
{{- define "erpgo-operator.rules" -}}
- apiGroups: [erpgo.io]
  resources: [erpgos]
  verbs: [get, list, patch, watch]
- apiGroups: [erpgo.io]
  resources: [erpgos/status]
  verbs: [patch]
# For owner references that block the owner's deletion.
- apiGroups: [erpgo.io]
  resources: [erpgos/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [create, get, list, patch, watch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [create, get, list, patch, watch]
# A Job is created and deleted, never patched.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create, delete, get, list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, delete, get, list, patch, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [create, delete, get, list, patch, watch]
# Each ErpGo's pods may read one Secret by name. The operator grants no more than it holds itself, so
# it needs neither escalate nor bind.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings, roles]
  verbs: [create, get, list, patch, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# By name: neither listed nor watched.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, delete, get, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, list]
{{- if .Values.rbac.vaultKubernetesAuth }}
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
{{- end }}
{{- if .Values.rbac.monitoring }}
- apiGroups: [monitoring.coreos.com]
  resources: [prometheusrules, servicemonitors]
  verbs: [create, delete, get, patch]
{{- end }}
{{- if .Values.rbac.gatewayApi }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [create, delete, get, patch]
{{- end }}
{{- end -}}
