# shellcheck shell=bash
# PostgreSQL and Redis on the host, as stand-ins for managed ones: own data, own ports, passwords
# made at the first start. Nothing of Debian's default cluster or instance is touched.

PG_DATA=$STATE/postgres
REDIS_DATA=$STATE/redis
DEMO_NAMESPACE=erpgo-demo

postgres_bin() {
  local newest
  newest=$(find /usr/lib/postgresql -maxdepth 1 -regex '.*/[0-9]+' 2>/dev/null | sort -V | tail -n 1)
  [[ -n $newest ]] || die "PostgreSQL is not installed" "run e2e/cluster/bin/doctor"
  printf '%s/bin/%s' "$newest" "$1"
}

# password NAME: made once, readable by root alone.
password() {
  local file=$SECRETS/$1
  if [[ ! -s $file ]]; then
    (umask 077 && mkdir -p "$SECRETS" && openssl rand -hex 24 >"$file")
  fi
  cat "$file"
}

as_user() {
  local user=$1
  shift
  (cd / && exec setpriv --reuid "$user" --regid "$user" --init-groups env -i PATH="$PATH" LC_ALL=C.UTF-8 "$@")
}

prepare_postgres() {
  mkdir -p "$RUN"
  [[ ! -f $PG_DATA/erpgo-dev.ready ]] || return 0
  rm -rf "$PG_DATA"
  install -d -m 0700 -o postgres -g postgres "$PG_DATA"
  install -m 0600 -o postgres -g postgres <(password postgres-admin) "$STATE/initdb.password"
  as_user postgres "$(postgres_bin initdb)" -D "$PG_DATA" -U postgres -E UTF8 --locale C.UTF-8 \
    --auth-local scram-sha-256 --auth-host scram-sha-256 --pwfile "$STATE/initdb.password" >"$LOGS/initdb.log" 2>&1 ||
    { show_tail "$LOGS/initdb.log" && die "initdb failed" "whole log: $LOGS/initdb.log"; }
  rm -f "$STATE/initdb.password"
  write_postgres_config
  touch "$PG_DATA/erpgo-dev.ready"
}

write_postgres_config() {
  # Without fsync: its data live as long as the machine runs, as etcd's do.
  cat >>"$PG_DATA/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1,$NODE_IP'
port = $POSTGRES_PORT
unix_socket_directories = ''
max_connections = 200
fsync = off
password_encryption = scram-sha-256
log_line_prefix = '%m [%p] %u@%d '
CONF
  cat >"$PG_DATA/pg_hba.conf" <<CONF
host all all 127.0.0.1/32 scram-sha-256
host all all $NODE_IP/32 scram-sha-256
host all all $CLUSTER_CIDR scram-sha-256
CONF
}

start_postgres() {
  prepare_postgres
  start postgres setpriv --reuid postgres --regid postgres --init-groups env -i PATH="$PATH" LC_ALL=C.UTF-8 \
    "$(postgres_bin postgres)" -D "$PG_DATA"
}

# Fast shutdown: sessions are cut, nothing is lost.
stop_postgres() {
  stop postgres 30 INT
}

postgres_healthy() {
  "$(postgres_bin pg_isready)" -q -h 127.0.0.1 -p "$POSTGRES_PORT"
}

psql_admin() {
  PGPASSWORD=$(password postgres-admin) "$(postgres_bin psql)" -XqAt -v ON_ERROR_STOP=1 \
    -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres "$@"
}

# The database of the demo and its owner. The owner may create roles: rotation lets two roles take turns.
prepare_demo_database() {
  [[ ! -f $STATE/demo-database.ready ]] || return 0
  [[ -n $(psql_admin -c "SELECT 1 FROM pg_roles WHERE rolname = 'erpgo'") ]] ||
    psql_admin -c "CREATE ROLE erpgo LOGIN CREATEROLE"
  # By standard input, so that the password is no argument of a process.
  printf "ALTER ROLE erpgo PASSWORD '%s';\n" "$(password postgres-erpgo)" | psql_admin -f -
  [[ -n $(psql_admin -c "SELECT 1 FROM pg_database WHERE datname = 'erpgo'") ]] ||
    psql_admin -c "CREATE DATABASE erpgo OWNER erpgo"
  touch "$STATE/demo-database.ready"
}

start_redis() {
  local before
  [[ -d $REDIS_DATA ]] || install -d -m 0700 -o redis -g redis "$REDIS_DATA"
  before=$(cat "$REDIS_DATA/redis.conf" 2>/dev/null || true)
  write_redis_config
  # Settings are read at the start alone.
  [[ $before = "$(cat "$REDIS_DATA/redis.conf")" ]] || stop_redis
  is_alive redis || write_redis_users
  start redis setpriv --reuid redis --regid redis --init-groups redis-server "$REDIS_DATA/redis.conf"
}

write_redis_config() {
  put "$REDIS_DATA/redis.conf" <<CONF
bind 127.0.0.1 $NODE_IP
port $REDIS_PORT
dir $REDIS_DATA
aclfile $REDIS_DATA/users.acl
daemonize no
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
CONF
  chown redis:redis "$REDIS_DATA/redis.conf"
  chmod 0600 "$REDIS_DATA/redis.conf"
}

# The default user has the node's password; others, which rotations make, stay as they were saved.
write_redis_users() {
  local file=$REDIS_DATA/users.acl
  {
    printf 'user default on >%s ~* &* +@all\n' "$(password redis)"
    grep -v '^user default ' "$file" 2>/dev/null || true
  } | put "$file"
  chown redis:redis "$file"
}

stop_redis() {
  stop redis 10
}

redis_healthy() {
  [[ $(REDISCLI_AUTH=$(password redis) redis-cli -h 127.0.0.1 -p "$REDIS_PORT" ping) = PONG ]]
}

services_up() {
  start_postgres
  start_redis
  expect_healthy postgres 60 postgres_healthy
  expect_healthy redis 20 redis_healthy
  prepare_demo_database
}

# The Services, and the Secrets that an ErpGo of the demo refers to.
apply_services() {
  [[ ! -f $STATE/applied/databases ]] || demo_namespace_is_there || set_demo_database_aside
  apply_once databases "$CLUSTER_DIR/manifests/databases.yaml"
  url_secret erpgo-database "postgres://erpgo:$(password postgres-erpgo)@postgres.$DEMO_NAMESPACE.svc.cluster.local:5432/erpgo"
  url_secret erpgo-redis "redis://:$(password redis)@redis.$DEMO_NAMESPACE.svc.cluster.local:6379/0"
}

# One that is about to go is waited for: nothing can be made in it.
demo_namespace_is_there() {
  local phase
  phase=$(kube get namespace "$DEMO_NAMESPACE" --ignore-not-found -o 'jsonpath={.status.phase}') ||
    die "the API server does not tell whether the namespace $DEMO_NAMESPACE is there"
  if [[ $phase = Terminating ]]; then
    kube wait --for=delete "namespace/$DEMO_NAMESPACE" --timeout=120s >/dev/null ||
      die "the namespace $DEMO_NAMESPACE has been deleted and does not go" "see what is left in it"
    return 1
  fi
  [[ -n $phase ]]
}

# The keys that its users' passwords are hashed with went with the namespace: nobody could sign in any more.
set_demo_database_aside() {
  local aside
  aside=erpgo_until_$(date +%s)
  psql_admin -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'erpgo'" >/dev/null
  psql_admin -c "ALTER DATABASE erpgo RENAME TO $aside"
  rm -f "$STATE/demo-database.ready"
  prepare_demo_database
  step "the namespace $DEMO_NAMESPACE was deleted, and with it the keys of its data, kept as database $aside"
}

# url_secret NAME URL: a Secret with key `url`.
url_secret() {
  local file
  file=$(umask 077 && mktemp "$CONF/secret.XXXXXX")
  jq -n --arg name "$1" --arg namespace "$DEMO_NAMESPACE" --arg url "$2" \
    '{apiVersion: "v1", kind: "Secret", metadata: {name: $name, namespace: $namespace}, stringData: {url: $url}}' >"$file"
  apply_once "secret-$1" "$file"
  rm -f "$file"
}
