# shellcheck shell=bash
# etcd, kube-apiserver, kube-controller-manager and kube-scheduler as host processes.

start_etcd() {
  start etcd "$(tool etcd)" --name "$NODE_NAME" --data-dir "$STATE/etcd" --unsafe-no-fsync \
    --listen-client-urls "https://127.0.0.1:$ETCD_PORT" --advertise-client-urls "https://127.0.0.1:$ETCD_PORT" \
    --listen-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" \
    --initial-advertise-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" \
    --initial-cluster "$NODE_NAME=http://127.0.0.1:$ETCD_PEER_PORT" \
    --client-cert-auth --trusted-ca-file "$PKI/etcd-ca.crt" --cert-file "$PKI/etcd.crt" --key-file "$PKI/etcd.key" \
    --auto-compaction-mode periodic --auto-compaction-retention 30m --log-level warn
}

etcd_healthy() {
  curl -fsS -m 3 --cacert "$PKI/etcd-ca.crt" --cert "$PKI/apiserver-etcd-client.crt" \
    --key "$PKI/apiserver-etcd-client.key" "https://127.0.0.1:$ETCD_PORT/health"
}

start_apiserver() {
  write_audit_policy
  # It reads its policy only when it starts.
  [[ ! $CONF/audit-policy.yaml -nt $(pid_file kube-apiserver) ]] || stop kube-apiserver 30
  start kube-apiserver "$(tool kube-apiserver)" \
    --bind-address 0.0.0.0 --secure-port "$API_PORT" \
    --advertise-address "$NODE_IP" --endpoint-reconciler-type lease \
    --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" --client-ca-file "$PKI/ca.crt" \
    --etcd-servers "https://127.0.0.1:$ETCD_PORT" --etcd-cafile "$PKI/etcd-ca.crt" \
    --etcd-certfile "$PKI/apiserver-etcd-client.crt" --etcd-keyfile "$PKI/apiserver-etcd-client.key" \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file "$PKI/service-accounts.pub" \
    --service-account-signing-key-file "$PKI/service-accounts.key" \
    --service-cluster-ip-range "$SERVICE_CIDR" --authorization-mode Node,RBAC \
    --enable-admission-plugins NodeRestriction --allow-privileged \
    --kubelet-preferred-address-types InternalIP --kubelet-certificate-authority "$PKI/ca.crt" \
    --kubelet-client-certificate "$PKI/apiserver-kubelet-client.crt" \
    --kubelet-client-key "$PKI/apiserver-kubelet-client.key" \
    --requestheader-client-ca-file "$PKI/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file "$PKI/front-proxy-client.crt" --proxy-client-key-file "$PKI/front-proxy-client.key" \
    --audit-policy-file "$CONF/audit-policy.yaml" --audit-log-path "$LOGS/audit.log" \
    --audit-log-maxsize 200 --audit-log-maxbackup 1 --profiling=false
}

# Who wrote what, and what the operator wrote: journeys search it for secret values (I-04). No body of
# a Secret or of a token is ever kept. Reads and the heartbeats of the node are left out, they would
# drown the rest.
write_audit_policy() {
  put "$CONF/audit-policy.yaml" <<'YAML'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/readyz*", "/livez*", "/healthz*"]
- level: None
  users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]
  verbs: [get, list, watch]
- level: None
  resources: [{group: coordination.k8s.io, resources: [leases]}]
  userGroups: ["system:nodes"]
- level: None
  verbs: [get, list, watch]
  userGroups: ["system:nodes"]
- level: Metadata
  resources: [{group: "", resources: [secrets, serviceaccounts/token]}]
- level: Request
  users: ["system:serviceaccount:erpgo-system:erpgo-operator"]
  verbs: [create, update, patch]
- level: Metadata
YAML
}

apiserver_healthy() {
  curl -fsS -m 3 --cacert "$PKI/ca.crt" --cert "$PKI/admin.crt" --key "$PKI/admin.key" \
    "https://127.0.0.1:$API_PORT/readyz"
}

start_controller_manager() {
  kubeconfig "$CONF/controller-manager.kubeconfig" controller-manager
  start kube-controller-manager "$(tool kube-controller-manager)" \
    --kubeconfig "$CONF/controller-manager.kubeconfig" \
    --authentication-kubeconfig "$CONF/controller-manager.kubeconfig" \
    --authorization-kubeconfig "$CONF/controller-manager.kubeconfig" \
    --bind-address 127.0.0.1 --tls-cert-file "$PKI/controller-manager.crt" \
    --tls-private-key-file "$PKI/controller-manager.key" \
    --root-ca-file "$PKI/ca.crt" --service-account-private-key-file "$PKI/service-accounts.key" \
    --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" \
    --use-service-account-credentials --allocate-node-cidrs --cluster-cidr "$CLUSTER_CIDR" \
    --service-cluster-ip-range "$SERVICE_CIDR" --horizontal-pod-autoscaler-sync-period 5s \
    --flex-volume-plugin-dir "$STATE/volume-plugins" --leader-elect=false --profiling=false
}

controller_manager_healthy() {
  curl -fsS -m 3 --cacert "$PKI/ca.crt" https://127.0.0.1:10257/healthz
}

start_scheduler() {
  kubeconfig "$CONF/scheduler.kubeconfig" scheduler
  start kube-scheduler "$(tool kube-scheduler)" \
    --kubeconfig "$CONF/scheduler.kubeconfig" \
    --authentication-kubeconfig "$CONF/scheduler.kubeconfig" \
    --authorization-kubeconfig "$CONF/scheduler.kubeconfig" \
    --bind-address 127.0.0.1 --tls-cert-file "$PKI/scheduler.crt" --tls-private-key-file "$PKI/scheduler.key" \
    --leader-elect=false --profiling=false
}

scheduler_healthy() {
  curl -fsS -m 3 --cacert "$PKI/ca.crt" https://127.0.0.1:10259/healthz
}
