# shellcheck shell=bash
# Certificates of the node, by openssl alone: three authorities (cluster, front proxy, etcd), the
# key pair that signs service account tokens, and the leaves. Made once; keys never leave $PKI.

PKI_DAYS=365

make_pki() {
  [[ -f $PKI/complete ]] && return 0
  rm -rf "$PKI"
  (umask 077 && mkdir -p "$PKI" && make_authorities && make_leaves)
  touch "$PKI/complete"
}

make_authorities() {
  authority ca erpgo-dev-ca
  authority front-proxy-ca erpgo-dev-front-proxy-ca
  authority etcd-ca erpgo-dev-etcd-ca
  openssl genrsa -out "$PKI/service-accounts.key" 2048 2>/dev/null
  openssl rsa -in "$PKI/service-accounts.key" -pubout -out "$PKI/service-accounts.pub" 2>/dev/null
}

make_leaves() {
  leaf ca apiserver /CN=kube-apiserver "$(apiserver_names)"
  leaf ca apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
  leaf front-proxy-ca front-proxy-client /CN=front-proxy-client
  leaf etcd-ca etcd /CN=etcd "DNS:localhost,IP:127.0.0.1"
  leaf etcd-ca apiserver-etcd-client /CN=kube-apiserver-etcd-client
  leaf ca admin /O=system:masters/CN=erpgo-dev-admin
  leaf ca controller-manager /CN=system:kube-controller-manager "DNS:localhost,IP:127.0.0.1"
  leaf ca scheduler /CN=system:kube-scheduler "DNS:localhost,IP:127.0.0.1"
  leaf ca kube-proxy /CN=system:kube-proxy
  leaf ca kubelet "/O=system:nodes/CN=system:node:$NODE_NAME" "DNS:$NODE_NAME,IP:$NODE_IP,IP:127.0.0.1"
}

apiserver_names() {
  printf 'DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,'
  printf 'DNS:localhost,IP:127.0.0.1,IP:%s,IP:%s' "$API_SERVICE_IP" "$NODE_IP"
}

# authority NAME COMMON-NAME
authority() {
  new_key "$1"
  openssl req -x509 -new -sha256 -key "$PKI/$1.key" -days "$PKI_DAYS" -subj "/CN=$2" \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature' \
    -out "$PKI/$1.crt"
}

# leaf AUTHORITY NAME SUBJECT [SUBJECT-ALT-NAMES]: good for servers and clients.
leaf() {
  local ca=$1 name=$2 subject=$3 names=${4:-}
  new_key "$name"
  openssl req -new -key "$PKI/$name.key" -subj "$subject" |
    openssl x509 -req -sha256 -days "$PKI_DAYS" -CA "$PKI/$ca.crt" -CAkey "$PKI/$ca.key" \
      -set_serial "0x$(openssl rand -hex 16)" -extfile <(leaf_extensions "$names") -out "$PKI/$name.crt" 2>/dev/null
}

leaf_extensions() {
  printf 'keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n'
  [[ -z $1 ]] || printf 'subjectAltName=%s\n' "$1"
}

new_key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"
}

# admin_kubeconfig: the way in for people. What they set in it stays; that of another cluster, which
# CLUSTER=current left there, does not: what is meant for the node would go to that one.
admin_kubeconfig() {
  grep -qsF "$(base64 -w0 "$PKI/ca.crt")" "$KUBECONFIG_ADMIN" || kubeconfig "$KUBECONFIG_ADMIN" admin
}

# kubeconfig FILE LEAF: a client configuration with the leaf's certificate inside.
kubeconfig() {
  local file=$1 leaf=$2 data
  data=$(
    cat <<YAML
apiVersion: v1
kind: Config
clusters:
- name: erpgo-dev
  cluster:
    server: https://127.0.0.1:$API_PORT
    certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
- name: $leaf
  user:
    client-certificate-data: $(base64 -w0 "$PKI/$leaf.crt")
    client-key-data: $(base64 -w0 "$PKI/$leaf.key")
contexts:
- name: erpgo-dev
  context: {cluster: erpgo-dev, user: $leaf}
current-context: erpgo-dev
YAML
  )
  put "$file" <<<"$data"
}
